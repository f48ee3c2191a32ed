package runtime

import (
	"context"
	"sync"
	"time"
)

// functionContext is the context that a function gets: its request's, with a
// deadline. It costs nothing until somebody asks for Done or Err, which most
// functions never do; context.WithDeadline on every request costs a tenth of
// bare net/http's throughput.
type functionContext struct {
	parent   context.Context
	call     *call
	deadline time.Time     // zero: none
	limit    time.Duration // the timeout that deadline was made from, named in the 504

	mu     sync.Mutex
	real   context.Context // made on demand
	cancel context.CancelFunc
	ended  bool
}

var _ context.Context = (*functionContext)(nil)

// start gives the context its deadline: the nearer one of the timeout and of the
// request's context, which middleware may have limited.
func (c *functionContext) start(call *call, timeout time.Duration) {
	c.call, c.parent, c.limit = call, call.r.Context(), timeout
	if timeout > 0 {
		c.deadline = call.x.start.Add(timeout)
	}
	if at, ok := c.parent.Deadline(); ok && (timeout == 0 || at.Before(c.deadline)) {
		c.deadline, c.limit = at, at.Sub(call.x.start).Round(time.Millisecond)
	}
}

// Deadline returns when the context ends at the latest.
func (c *functionContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done is closed when the context ends.
func (c *functionContext) Done() <-chan struct{} { return c.materialise().Done() }

// Err returns why the context has ended; nil: it has not.
func (c *functionContext) Err() error { return c.materialise().Err() }

// Value returns the exchange, the call, and the values of the request's context. It asks
// the real context once there is one: contexts derived from this one find it
// there, and are cancelled without a goroutine each.
func (c *functionContext) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return c.call.x
	case callKey{}:
		return c.call
	}
	c.mu.Lock()
	real := c.real
	c.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return c.parent.Value(key)
}

func (c *functionContext) materialise() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	if c.deadline.IsZero() {
		c.real, c.cancel = context.WithCancel(c.parent)
	} else {
		c.real, c.cancel = context.WithDeadlineCause(c.parent, c.deadline, c.call.api.timeoutError(c.limit))
	}
	if c.ended {
		c.cancel()
	}
	return c.real
}

// expired waits until the context has ended because of its deadline, which has
// come. The client may close the connection as soon as it has the 504, and that
// would end the context for another cause.
func (c *functionContext) expired() { <-c.materialise().Done() }

// end cancels the context when the function has returned. If it is created later, it
// is already cancelled.
func (c *functionContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}
