package runtime

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// A streaming function runs in a goroutine of its own, which writes the chunks. The
// handler's goroutine watches it: it sends the 504 and the heartbeats, and at a limit
// it cuts the stream, also while the function ignores its context. The handler then
// returns, and the function's next yield returns false.

// stream is the response of one run of a streaming function.
type stream struct {
	call    *call
	limits  config.Stream
	first   time.Time     // deadline of the first chunk; zero: none
	timeout time.Duration // behind first
	beat    time.Duration // when the last heartbeat was due; only the handler's goroutine uses it
	cancel  context.CancelCauseFunc
	span    context.Context // has only the span, for exemplars
	writer  *http.ResponseController

	progress
	mu   sync.Mutex // held during each write
	pace *telemetry.Pace
	outcome
}

// streamed runs a streaming function and returns when its stream has ended.
func (c *call) streamed() {
	st := c.newStream()
	defer st.cancel(nil)
	s := c.api.service.app.scratches.get()
	done := make(chan error, 1)
	go st.run(s, done)
	st.watch(s, done)
}

// newStream returns the stream of a call, and starts the limits of time.
func (c *call) newStream() *stream {
	st := &stream{call: c, limits: *c.api.stream.limits.Load(), pace: c.api.stream.metrics.Pace(), span: context.Background(), writer: http.NewResponseController(c.w)}
	c.stream = st
	c.ctx.start(c, c.within(c.api.timeoutInForce()))
	st.first, st.timeout = c.ctx.deadline, c.ctx.limit
	c.ctx.start(c, c.within(st.limits.MaxDuration))
	if at := c.ctx.deadline; !at.IsZero() && (st.first.IsZero() || at.Before(st.first)) {
		st.first, st.timeout = at, c.ctx.limit
	}
	c.ctx.parent, st.cancel = context.WithCancelCause(c.ctx.parent)
	if c.x.app.tracing != nil {
		st.span = trace.ContextWithSpanContext(st.span, trace.SpanContextFromContext(c.r.Context()))
	}
	return st
}

// run runs the function. done gets its error, unless the stream was cut before.
func (st *stream) run(s *scratch, done chan<- error) {
	err := errNoResult // stays if the function calls runtime.Goexit
	defer func() {
		st.call.ctx.end()
		if st.call.claim() && st.functionReturned() {
			done <- err
			return
		}
		if errors.Is(err, errStreamEnded) { // it returned as its yield told it
			err = nil
		}
		st.call.returnedLate(err)
		s.put()
	}()
	err = st.call.work(s)
}

// watch waits for the function, and acts when a limit is reached.
func (st *stream) watch(s *scratch, done <-chan error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case err := <-done:
			defer s.put() // also if middleware's writer panics
			st.finish(err)
			return
		case <-timer.C:
		}
		switch wait, reached := st.check(time.Since(st.call.x.start)); reached {
		case "":
			timer.Reset(wait)
		case limitFirst:
			if st.timeOut() {
				return
			}
			st.first = time.Time{}
			timer.Reset(0)
		default:
			if st.cut(reached) {
				return
			}
		}
	}
}

// timeOut sends the 504. It returns false if the first chunk is sent just now, or if
// middleware has begun the response.
func (st *stream) timeOut() bool {
	c := st.call
	if !c.claimLate() {
		if !c.isClaimed() {
			st.cancel(c.api.timeoutError(st.timeout))
		}
		return false
	}
	defer close(c.late)
	c.api.service.app.telemetry.Counts.Overdue.Add(1)
	st.cancel(c.api.timeoutError(st.timeout))
	c.respond(nil, c.timedOut(st.timeout))
	return true
}

// limitFirst is the limit of the time to the first chunk.
const limitFirst telemetry.StreamEnd = "first"

// check returns the limit that is reached, or "" and the time to the next check.
func (st *stream) check(now time.Duration) (wait time.Duration, reached telemetry.StreamEnd) {
	wait = time.Hour
	until := func(at time.Duration, limit telemetry.StreamEnd) {
		if at <= now {
			reached = limit
		}
		wait = min(wait, at-now)
	}
	for _, most := range []time.Duration{st.limits.IdleTimeout, st.limits.WriteTimeout, st.call.api.stream.heartbeat} { // each may begin to count at any time
		if most > 0 {
			wait = min(wait, most)
		}
	}
	if !st.begun.Load() {
		if !st.first.IsZero() {
			until(st.first.Sub(st.call.x.start), limitFirst)
		}
		return wait, reached
	}
	wrote, writing := st.wrote.get()
	if heartbeat := st.call.api.stream.heartbeat; heartbeat > 0 {
		at := max(wrote, st.beat) + heartbeat
		if !writing && at <= now {
			st.beat, at = now, now+heartbeat
			go st.sendHeartbeat() // which may block, and is watched like a chunk
		}
		wait = min(wait, max(at-now, time.Millisecond))
	}
	if writing && st.limits.WriteTimeout > 0 {
		until(wrote+st.limits.WriteTimeout, telemetry.StreamSlowReader)
	}
	if !writing && st.limits.IdleTimeout > 0 {
		until(st.last.get()+st.limits.IdleTimeout, telemetry.StreamIdle)
	}
	if at, ok := st.call.ctx.Deadline(); ok {
		until(at.Sub(st.call.x.start), telemetry.StreamDuration)
	}
	return wait, reached
}
