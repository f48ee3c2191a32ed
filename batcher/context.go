package batcher

import (
	"context"
	"sync"
)

// batchContext is the context of a batch. It makes its channel when somebody
// asks for it, which few functions do.
type batchContext struct {
	context.Context
	mu   sync.Mutex
	err  error
	done chan struct{}
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
