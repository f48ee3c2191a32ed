package tasking

import (
	"context"
	"time"
)

// Drain ends the claims: running tasks go on, and those that wait stay for another
// process, or for the next one.
func (e *Engine) Drain() {
	e.mu.Lock()
	e.draining = true
	e.mu.Unlock()
	e.poke()
}

// Wait waits until no task runs, or until ctx ends. Call it after Drain.
func (e *Engine) Wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends when the runs end, at the latest after Stop
		e.claims.Wait() // ends when the engine drains
		e.active.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// returnTime is how long a function has to return after its context ended, before its task
// is given back while it still runs.
const returnTime = time.Second

// Stop ends the runs, gives their tasks back, and closes the store.
func (e *Engine) Stop(ctx context.Context) error {
	e.Drain()
	e.cancel(errReleased)
	limited, cancel := context.WithTimeout(ctx, returnTime)
	e.Wait(limited)
	cancel()
	e.mu.Lock()
	left := make([]*running, 0, len(e.running))
	for _, one := range e.running {
		left = append(left, one)
	}
	e.mu.Unlock()
	for _, one := range left { // their functions ignore the context
		e.release(ctx, one.run)
	}
	e.end()
	e.claims.Wait()
	e.own.Wait()
	e.store.closed.Store(true)
	return e.set.Store.Close()
}
