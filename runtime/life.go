package runtime

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/ekiben-serving/ekiben/runtime/internal/closing"
)

// life is the state of an app between New and Shutdown.
type life struct {
	mu sync.Mutex // guards begun, served, unready, dead, and conf.Loaded; held while no code of the user runs
	sealing
	begun    bool   // by Run, Serve or Handler
	served   bool   // by Run or Serve, at most once
	unready  string // the first service that was not ready at the last probe; "": none
	dead     string // the first service that was not alive at the last probe; "": none
	startup  startup
	listener atomic.Pointer[net.Listener] // nil before the app listens
	ending
}

// sealing is the end of the declarations.
type sealing struct {
	sealMu  sync.Mutex  // held while the app is prepared; guards sealErr
	errs    []error     // of the options of New
	sealed  atomic.Bool // declarations have ended
	valid   atomic.Bool // sealed without an error: calls and requests are served
	sealErr error
}

// ending is the end of an app.
type ending struct {
	draining, cutting atomic.Bool // cutting: the connections that are left are closed
	handing           handing     // who serves on the listener
	closers           [stages][]closing.Closer
	shutdown          sync.Once
	shutdownErr       error
}

// fail records an error that Run returns.
func (a *App) fail(err error) {
	if err != nil {
		a.life.errs = append(a.life.errs, err)
	}
}

// begin marks that the app runs, and sets *once unless once is nil. It returns an error
// if the app was shut down, or if *once is already set.
func (a *App) begin(once *bool) error {
	a.life.mu.Lock()
	defer a.life.mu.Unlock()
	if a.life.draining.Load() || once != nil && *once {
		return ErrServed
	}
	a.life.begun = true
	if once != nil {
		*once = true
	}
	return nil
}
