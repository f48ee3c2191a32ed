package runtime

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/ekiben-serving/ekiben/runtime/internal/closing"
)

// life is the state of an app between New and Shutdown.
type life struct {
	mu sync.Mutex // guards sealErr, begun, served, unready, dead
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
	errs    []error     // of options and declarations
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

// tooLate reports whether a declaration came after the app was sealed. Such a declaration has
// no effect, because requests may be reading what it would change. While the app starts, it
// makes the start fail; else it is logged.
func (a *App) tooLate(what string) bool {
	if !a.life.sealed.Load() {
		return false
	}
	a.life.mu.Lock()
	begun := a.life.begun
	a.life.mu.Unlock()
	switch {
	case a.life.startup.refuse(fmt.Errorf("%s: declared while the app starts, for example in OnStart: declare before App.Run, App.Serve or App.Handler", what)):
	case begun:
		a.log.logger.Error("declaration ignored: the app runs already", "declaration", what)
	default:
		a.log.logger.Error("declaration ignored: the app was checked, or could not start", "declaration", what)
	}
	return true
}

// refuse keeps the error of a declaration, if the app is starting.
func (s *startup) refuse(late error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting {
		s.late = append(s.late, late)
	}
	return s.starting
}

// stage is a step of Shutdown. All closers of a stage run at once, so that a slow
// one does not delay the others.
type stage int

// The stages, in order: sockets end, tasks end, which may call batchable APIs, queued items
// are computed, the last metrics and spans are pushed, the admin door is closed, whose /metrics
// needs the providers, and the providers are closed.
const (
	closeSockets stage = iota
	closeTasks
	closeBatches
	closePushes
	closeAdmin
	closeProviders
	stages
)

// atShutdown makes Shutdown call close in a stage.
func (a *App) atShutdown(when stage, name string, close func(context.Context) error) {
	a.life.closers[when] = append(a.life.closers[when], closing.Closer{Name: name, Close: close})
}
