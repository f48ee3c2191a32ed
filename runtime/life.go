package runtime

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// life is where an app is between New and Shutdown.
type life struct {
	mu      sync.Mutex  // guards sealErr, served, unready
	errs    []error     // of options and declarations
	sealed  atomic.Bool // the declarations have ended
	open    atomic.Bool // without an error: calls and requests are served
	sealErr error
	served  bool
	unready string // the service that the last probe found not ready; "": none

	addr              atomic.Pointer[net.Addr]
	draining, cutting atomic.Bool // cutting: the grace is over
	closers           [stages][]closer
	shutdown          sync.Once
	shutdownErr       error
}

// fail notes an error that Run returns.
func (a *App) fail(err error) {
	if err != nil {
		a.life.errs = append(a.life.errs, err)
	}
}

// late reports, and logs, a declaration that comes after the app was sealed. It
// has no effect: requests may be reading what it would change.
func (a *App) late(what string) bool {
	if !a.life.sealed.Load() {
		return false
	}
	a.log.logger.Error("declaration ignored: the app runs already", "declaration", what)
	return true
}

// stage is when something is closed that the app started. All closers of a stage
// run at once, so that none takes the time of the others.
type stage int

// The stages, in order: the rest is computed, then recorded and sent, then
// nothing is recorded any more.
const (
	closeBatches stage = iota
	closePushes
	closeProviders
	stages
)

type closer struct {
	name  string
	close func(context.Context) error
}

// atShutdown has Shutdown call close.
func (a *App) atShutdown(when stage, name string, close func(context.Context) error) {
	a.life.closers[when] = append(a.life.closers[when], closer{name, close})
}
