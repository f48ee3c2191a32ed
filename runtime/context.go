package runtime

import (
	"context"
	"errors"
	"sync"
	"time"
)

// functionContext is the context of a function: the request's context with a
// deadline. It makes the real context only when Done or Err is called, which most
// functions never do: context.WithDeadline on every request costs a tenth of bare
// net/http's throughput.
type functionContext struct {
	parent   context.Context
	call     *call
	deadline time.Time     // zero: none
	limit    time.Duration // the timeout behind deadline, which the 504 names

	mu     sync.Mutex
	real   context.Context // made on demand
	cancel context.CancelFunc
	ended  bool
	failed *[]failedCall // calls in process, the latest ones, inner ones before outer ones; nil: none
}

var _ context.Context = (*functionContext)(nil)

// start gives the context its deadline: the nearer one of the timeout and of the
// request's context, which middleware may have limited.
func (c *functionContext) start(call *call, timeout time.Duration) {
	c.call, c.parent = call, call.r.Context()
	c.deadline, c.limit = call.api.nearest(c.parent, call.x.start, timeout)
}

// Deadline returns the deadline, and whether there is one.
func (c *functionContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done is closed when the context ends.
func (c *functionContext) Done() <-chan struct{} { return c.materialise().Done() }

// Err returns why the context has ended, or nil if it has not.
func (c *functionContext) Err() error { return c.materialise().Err() }

// Value returns the exchange, the call, its Generation, and the values of the request's context.
// If the real context exists, Value uses it: package context finds it by Value, and
// then cancels derived contexts without a goroutine for each.
func (c *functionContext) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return c.call.x
	case callKey{}:
		return c.call
	case genAIKey{}:
		return c.call.generation.get(c.call.x.app.telemetry.GenAI())
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

// expired waits until the deadline, which has passed, has ended the context. It
// must be called before the 504 is sent: a client that then closes the connection
// would end the context with another cause.
func (c *functionContext) expired() { <-c.materialise().Done() }

// end cancels the context after the function has returned. A real context that is
// made later is already cancelled.
func (c *functionContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

// timeoutCause returns the 504 of the timeout that ended ctx, or nil if no timeout
// ended it.
func timeoutCause(ctx context.Context) error {
	var timeout *Error
	if cause := context.Cause(ctx); errors.As(cause, &timeout) && timeout != nil && timeout.timeout != nil {
		return timeout
	}
	return nil
}
