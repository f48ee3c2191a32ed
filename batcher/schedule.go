package batcher

import (
	"context"
	"fmt"
	"time"
)

// now returns the time of the core's clock in nanoseconds. It begins at 1, because
// 0 means never.
func (b *Batcher[In, Out]) now() int64 { return int64(time.Since(b.start)) + 1 }

// advance starts the batches that the core sends now. b.mu is held. If fromWorker
// is set, the caller is a worker that has just become idle: it runs the first of
// these batches itself, on the lane that advance returns.
func (b *Batcher[In, Out]) advance(now int64, fromWorker bool) (own *lane[In, Out]) {
	for {
		step := b.core.Next(now)
		for _, r := range step.Expired {
			b.expire(r.Owner.(*call[In, Out]), now)
		}
		if step.Batch == nil {
			b.wake(step.Again, now)
			break
		}
		l := b.lane(step.Batch)
		if fromWorker && own == nil {
			own = l
			continue
		}
		b.running.Add(1)
		go b.run(l)
	}
	if calls, _ := b.core.Queued(); b.closing && calls == 0 && b.core.Running() == 0 {
		close(b.idle)
		b.closing = false
	}
	return own
}

// expire refuses a call that the core has given up. If the deadline of the call's context
// has passed, its Do is about to end the call.
func (b *Batcher[In, Out]) expire(c *call[In, Out], now int64) {
	if c.Own > 0 && now >= c.Own {
		return
	}
	why := Refusal(c.Why)
	b.refuse(why, c)
	b.drop(c)
	c.done <- &OverloadError{Reason: why}
}

// drop marks a call whose caller no longer waits. It ends the context of batches
// without other callers. b.mu is held.
func (b *Batcher[In, Out]) drop(c *call[In, Out]) {
	c.gone = true
	for _, l := range b.lanes {
		if l.batch != nil && l.has(c) {
			if l.callers--; l.callers == 0 {
				l.ctx.end(context.Canceled)
			}
		}
	}
}

// wake sets the timer to call advance at a time; 0 stops it.
func (b *Batcher[In, Out]) wake(at, now int64) {
	switch {
	case at <= 0:
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(time.Duration(at-now), func() {
			b.mu.Lock()
			defer b.unlock()
			b.advance(b.now(), false)
		})
	default:
		b.timer.Reset(time.Duration(at - now))
	}
}

// Drain ends all waiting: from now on, a batch is sent as soon as a worker is idle.
// Calls are still admitted. Call it when a shutdown begins, because few calls come
// then. It cannot be undone.
func (b *Batcher[In, Out]) Drain() {
	b.mu.Lock()
	defer b.unlock()
	b.core.Drain()
	b.advance(b.now(), false)
}

// Close refuses new calls, drains, and returns when all queued calls have their
// results. If ctx ends before, it refuses the queued calls with [ErrClosed] and
// returns the error of ctx. Running batches are not interrupted; call Close again
// to wait for them.
func (b *Batcher[In, Out]) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.idle == nil {
		b.idle, b.closing = make(chan struct{}), true
		b.core.Close()
		b.advance(b.now(), false)
	}
	b.unlock()
	select {
	case <-b.idle:
	case <-ctx.Done():
		select {
		case <-b.idle: // both at once
		default:
			return b.abandon(ctx.Err())
		}
	}
	b.running.Wait()
	return nil
}

// abandon refuses all queued calls.
func (b *Batcher[In, Out]) abandon(why error) error {
	b.mu.Lock()
	defer b.unlock()
	for _, r := range b.core.Abandon() {
		c := r.Owner.(*call[In, Out])
		b.refuse(RefusalClosed, c)
		b.drop(c)
		c.done <- ErrClosed
	}
	return fmt.Errorf("batches still ran: %w", why)
}
