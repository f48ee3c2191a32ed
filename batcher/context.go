package batcher

import (
	"context"
	"sync"
)

// batchContext is the context of a batch. It makes its channel when somebody
// asks for it, which few functions do.
type batchContext struct {
	context.Context
	callers []context.Context

	mu   sync.Mutex
	err  error
	done chan struct{}
}

type callersKey struct{}

// Callers returns the contexts of the calls that had items in a batch when it
// went, in their order, given the context of its function: for traces and logs that tell
// of all of them. The batch does not end with any of them. Nil for any other
// context.
func Callers(ctx context.Context) []context.Context {
	callers, _ := ctx.Value(callersKey{}).([]context.Context)
	return callers
}

// Value returns what Callers asks for. Of the callers' own values there are
// none: they are many.
func (c *batchContext) Value(key any) any {
	if key == (callersKey{}) {
		return c.callers
	}
	return nil
}

// Done returns a channel that is closed when the batch has ended or nobody
// waits for it any more.
func (c *batchContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err returns why the context has ended, or nil.
func (c *batchContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *batchContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}
