//go:build !cgo

package detector

import (
	"errors"
	"testing"
)

// A program without cgo starts with an error.
func TestOpenWithoutCgo(t *testing.T) {
	if _, err := Open(Folder(), Options{}); !errors.Is(err, errNoCgo) {
		t.Errorf("got %v", err)
	}
}
