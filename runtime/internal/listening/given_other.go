//go:build !unix

package listening

import (
	"context"
	"errors"
	"net"
)

// Inherited returns nil: no process hands over listeners on this system.
func Inherited(string) (*Given, error) { return nil, nil } //nolint:nilnil // none

// HandOver returns an error on this system.
func HandOver(context.Context, net.Listener) (int, error) {
	return 0, errors.New("handing over a listener needs a Unix system")
}
