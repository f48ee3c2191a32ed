package runtime

import (
	"context"
	"sync"
	"time"
)

// deadlineCtx is the context a function gets: its request's, with a deadline.
// It costs nothing until somebody asks for Done or Err; most functions never
// do, and context.WithDeadline on every request is a tenth of bare net/http's
// throughput.
type deadlineCtx struct {
	parent   context.Context
	deadline time.Time // zero: none of our own

	mu     sync.Mutex
	real   context.Context // made on demand
	cancel context.CancelFunc
	ended  bool
}

var _ context.Context = (*deadlineCtx)(nil)

func (c *deadlineCtx) Deadline() (time.Time, bool) {
	if at, ok := c.parent.Deadline(); ok && (c.deadline.IsZero() || at.Before(c.deadline)) {
		return at, true
	}
	return c.deadline, !c.deadline.IsZero()
}

func (c *deadlineCtx) Done() <-chan struct{} { return c.materialise().Done() }
func (c *deadlineCtx) Err() error            { return c.materialise().Err() }

// Value asks the real context once there is one: contexts derived from this
// one find it there and are cancelled without a goroutine each.
func (c *deadlineCtx) Value(key any) any {
	c.mu.Lock()
	real := c.real
	c.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return c.parent.Value(key)
}

func (c *deadlineCtx) materialise() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	if c.deadline.IsZero() {
		c.real, c.cancel = context.WithCancel(c.parent)
	} else {
		c.real, c.cancel = context.WithDeadline(c.parent, c.deadline)
	}
	if c.ended {
		c.cancel()
	}
	return c.real
}

// end cancels whoever still listens. A context asked for the first time after
// that is cancelled already.
func (c *deadlineCtx) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}
