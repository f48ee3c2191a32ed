// Package linked knows which optional parts a program links, each by an import of its package.
package linked

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
)

// Part is a part of type T, which its package registers in an init function. It is safe for
// concurrent use.
type Part[T any] struct {
	path       string // of the package
	registered atomic.Pointer[T]
}

// NewPart returns a part that a package below the module's root registers.
func NewPart[T any](path string) *Part[T] { return &Part[T]{path: path} }

// The parts that have no package of their own to be declared in.
var (
	// Profiles serves the profiles of the process.
	Profiles = Part[http.Handler]{path: "runtime/profiles"}
	// WebConfig serves as a web configuration file of Prometheus says.
	WebConfig = Part[WebServer]{path: "exporters/prometheus/webconfig"}
)

// WebServer serves as a file with TLS, users and headers says.
type WebServer interface {
	// Validate returns the errors of a file and of the files that it names.
	Validate(file string) error
	// Serve serves on a listener until the server is shut down, and returns the error of the
	// server's method Serve. It wraps the server's handler.
	Serve(listener net.Listener, server *http.Server, file string, log *slog.Logger) error
}

// Register makes value the part. The returned function undoes it, for tests.
func (p *Part[T]) Register(value T) (undo func()) {
	before := p.registered.Swap(&value)
	return func() { p.registered.Store(before) }
}

// Remove makes the part missing. The returned function undoes it, for tests.
func (p *Part[T]) Remove() (undo func()) {
	before := p.registered.Swap(nil)
	return func() { p.registered.Store(before) }
}

// Get returns the part. The error says which import is missing.
func (p *Part[T]) Get() (value T, err error) {
	if registered := p.registered.Load(); registered != nil {
		return *registered, nil
	}
	return value, fmt.Errorf(`needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/%s"`, p.path)
}
