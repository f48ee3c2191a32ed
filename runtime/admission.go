package runtime

import (
	"context"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Before a function runs, its request needs a slot of max_concurrency. It may wait for one in
// the queue of its service, if its response can still be ready in time.

// admitRequest takes the slots for a request over HTTP, or returns the response to it.
func (c *call) admitRequest() error {
	if err := c.mayRun(); err != nil {
		return err
	}
	if err := c.readDeadline(); err != nil {
		return err
	}
	return c.takeSlots()
}

// admitMounted is admitRequest for a mounted handler, which itself responds at the deadline of its
// caller once it has its slots.
func (c *call) admitMounted() error {
	if err := c.mayRun(); err != nil {
		return err
	}
	if at, said := c.callerDeadline(); said {
		c.asked = max(1, at.Sub(c.x.start))
	}
	return c.takeSlots()
}

// mayRun returns the response to a request that must not even wait for a slot.
func (c *call) mayRun() error {
	if c.api.service.app.life.startup.unready.Load() {
		c.refused(telemetry.RefusedStarting)
		return unstarted()
	}
	if c.api.service.app.tooManyOverdue() {
		c.refused(telemetry.RefusedOverdue)
		return &Error{Status: http.StatusServiceUnavailable, Message: "The service is overloaded: too many functions run past their timeout", RetryAfter: time.Second}
	}
	return nil
}

// takeSlots waits for the slots of a request until its response would come too late.
func (c *call) takeSlots() error {
	deadline, limit := c.api.nearest(c.r.Context(), c.x.start, c.within(c.api.timeoutInForce()))
	var err error
	c.permit, err = c.api.admit(c.r.Context(), asker{c.r.Header, c.x.watch, c.x}, deadline, limit)
	return err
}

// nearest returns when the response to what began at start must be ready: after the timeout, or
// at the deadline of ctx, which middleware or a caller may have set. limit is the time until
// then, which a 504 names. Zeros: no limit.
func (a *api) nearest(ctx context.Context, start time.Time, timeout time.Duration) (deadline time.Time, limit time.Duration) {
	if timeout > 0 {
		deadline = start.Add(timeout)
	}
	if at, ok := ctx.Deadline(); ok && (timeout == 0 || at.Before(deadline)) {
		return at, max(0, at.Sub(start).Round(time.Millisecond))
	}
	return deadline, timeout
}

// tooManyOverdue reports whether http.max_overdue functions run on after their 504.
func (a *App) tooManyOverdue() bool {
	overdue := a.telemetry.Counts.Overdue.Load()
	if overdue == 0 {
		return false
	}
	most := int64(a.conf.Now().HTTP.MaxOverdue)
	return most > 0 && overdue >= most
}

// admit takes the slots for one run of the API's function, or returns why it is refused. The
// permit goes to release. deadline and limit are those of nearest.
func (a *api) admit(ctx context.Context, who asker, deadline time.Time, limit time.Duration) (slots.Permit, error) {
	if a.service.queue.Length() == 0 { // as enqueue does, but without a Waiter
		if permit, outcome := a.permitted(); outcome == slots.Acquired {
			return permit, nil
		}
	}
	return a.enqueue(ctx, who, deadline, limit)
}

// enqueue is admit for a request that may have to wait.
func (a *api) enqueue(ctx context.Context, who asker, deadline time.Time, limit time.Duration) (permit slots.Permit, err error) {
	w := &slots.Waiter{Endpoint: &a.slots, Deadline: deadline, Rank: a.service.ranking.Load().turn(who.header)}
	w.Acquire = func() (outcome slots.Outcome) {
		permit, outcome = a.permitted()
		return outcome
	}
	switch verdict, after := a.service.queue.Enter(w); verdict {
	case slots.Admitted:
		return permit, nil
	case slots.Full:
		return permit, a.full(who, after)
	case slots.Late:
		who.refused(a.service, telemetry.RefusedLate)
		return permit, &Error{Status: http.StatusServiceUnavailable, Message: "The service is overloaded: the response would come too late", RetryAfter: max(after, time.Second)}
	}
	who.watch.Begin(slow.Queue)
	err = a.wait(ctx, who, w, limit)
	who.watch.End(slow.Queue)
	return permit, err
}

// full returns the response to a request that found no place in the queue.
func (a *api) full(who asker, after time.Duration) error {
	who.refused(a.service, telemetry.RefusedFull)
	refused := tooManyRequests()
	refused.RetryAfter = max(after, time.Second)
	return refused
}

// outcome returns nil if a request that waited has its slots, or why it has lost its place.
func (a *api) outcome(who asker, w *slots.Waiter) error {
	if refused, after := w.Refused(); refused {
		return a.full(who, after)
	}
	return nil
}

// wait waits in the queue of the service until the request has its slots.
func (a *api) wait(ctx context.Context, who asker, w *slots.Waiter, limit time.Duration) error {
	var late <-chan time.Time
	if !w.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(w.Deadline))
		defer timer.Stop()
		late = timer.C
	}
	var err error
	select {
	case <-w.Ready():
		return a.outcome(who, w)
	case <-late:
		err = a.timeoutError(limit)
	case <-ctx.Done():
		if err = ctx.Err(); isDeadline(err) {
			err = a.timeoutError(limit)
		}
	}
	if !a.service.queue.Leave(w) {
		return a.outcome(who, w) // if it has its slots, the function notices its deadline
	}
	who.refused(a.service, telemetry.RefusedExpired)
	return err
}
