package otlp

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// client sends the requests of one signal, with retries.
type client struct {
	to      Transport
	timeout time.Duration
	retry   Retry
	closed  atomic.Bool
}

var errClosed = errors.New("the exporter is shut down")

// newClient validates cfg and makes the transport, which connects when it sends.
func newClient(cfg Config, signal Signal) (*client, error) {
	protocol, target, err := cfg.resolve(signal)
	if err != nil {
		return nil, err
	}
	to, err := protocol.Dial(target)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &client{to: to, timeout: cfg.Timeout, retry: cfg.Retry}, nil
}

func (c *client) close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.to.Close()
}

// send repeats attempts until one succeeds, one fails without Retry, or the timeout
// leaves no time for the next one. If a repeated attempt runs out of time, the error
// is that of an earlier attempt, which says more than a deadline. A pause is at least
// half its length, and otherwise random, so that many processes do not retry together.
func (c *client) send(ctx context.Context, request []byte) error {
	if c.closed.Load() {
		return &Error{Reason: ReasonInternal, Err: errClosed}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var earlier error
	for pause := min(c.retry.Initial, c.retry.Max); ; pause = min(pause*3/2, c.retry.Max) {
		err := c.attempt(ctx, request)
		if err == nil {
			return nil
		}
		if earlier != nil && ctx.Err() != nil {
			return earlier
		}
		var failed *Error
		if c.retry.Off || !errors.As(err, &failed) || !failed.Retry {
			return err
		}
		if !wait(ctx, max(failed.After, pause/2+rand.N(pause/2+1))) {
			return err
		}
		earlier = err
	}
}

// attempt sends once, and checks the response.
func (c *client) attempt(ctx context.Context, request []byte) error {
	response, err := c.to.Send(ctx, request)
	if err != nil {
		return err
	}
	return response.check()
}

// wait waits for the pause and returns true. It returns false as soon as ctx ends.
func wait(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
