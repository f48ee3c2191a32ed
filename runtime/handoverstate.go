package runtime

import (
	"context"
	"errors"
	"sync"
)

// The reasons for which [App.HandOver] starts no process, or ends one.
var (
	errNotServing = errors.New("App.HandOver: the app must listen, and must not be draining")
	errHanding    = errors.New("App.HandOver: a process is starting already, by another call: wait until that returns")
	errHandedOver = errors.New("App.HandOver: another process serves already: end the context of App.Run")
	errDraining   = errors.New("the app drains")
)

// handing says who serves on the listener. At most one process starts at a time, and none after
// one serves or the drain has begun. run is called only for an app that listens, so the zero
// handing lets a process start.
type handing struct {
	mu      sync.Mutex
	refuses error                   // why no process may start; nil: the app serves
	cancel  context.CancelCauseFunc // ends the process that starts
	ended   chan struct{}           // closed when run returns
}

// run calls start, which starts a process and returns when that serves.
func (h *handing) run(ctx context.Context, start func(context.Context) (pid int, err error)) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	h.mu.Lock()
	if err := h.refuses; err != nil {
		h.mu.Unlock()
		return 0, err
	}
	h.refuses, h.cancel, h.ended = errHanding, cancel, ended
	h.mu.Unlock()
	pid, err := start(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuses = errHandedOver; err != nil {
		h.refuses = nil
	}
	return pid, err
}

// drain ends a run, refuses others, and reports whether another process serves. Until it knows,
// it waits: the socket file must not be removed while another process begins to serve on it.
func (h *handing) drain() (over bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for errors.Is(h.refuses, errHanding) {
		ended := h.ended
		h.cancel(errDraining)
		h.mu.Unlock()
		<-ended
		h.mu.Lock()
	}
	if h.refuses == nil {
		h.refuses = errNotServing
	}
	return errors.Is(h.refuses, errHandedOver)
}

// handedOver reports whether another process serves.
func (h *handing) handedOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Is(h.refuses, errHandedOver)
}
