package runtime

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/sse"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// A streaming function runs in a goroutine of its own, which writes the chunks. The
// handler's goroutine watches it: it sends the 504 and the heartbeats, and at a limit
// it cuts the stream, also while the function ignores its context. The handler then
// returns, and the function's next yield returns false.

// stream is the response of one run of a streaming function.
type stream struct {
	call   *call
	limits config.Stream
	first  time.Time     // deadline of the first chunk; zero: none
	beat   time.Duration // when the last heartbeat was due; only the handler's goroutine uses it
	cancel context.CancelCauseFunc
	span   context.Context // has only the span, for exemplars
	writer *http.ResponseController

	progress
	mu   sync.Mutex // held during each write
	pace pace
	outcome
}

// outcome is how a stream ended.
type outcome struct {
	failure  error               // what ended the loop over the function; only the function's goroutine uses it
	silent   bool                // the status allows no body: the chunks are dropped
	returned bool                // the function has returned
	ended    bool                // nothing more is written
	endedBy  telemetry.StreamEnd // why it ended; only the handler's goroutine uses it
	fault    error               // why a heartbeat cannot be written; nil: none
}

// progress is what the handler's goroutine watches.
type progress struct {
	begun   atomic.Bool // the response has begun
	writing atomic.Bool // a write is running
	wrote   elapsed     // when the last write began
	last    elapsed     // when the last chunk was sent
}

// pace records the times of the chunks of a stream.
type pace struct {
	begun    bool          // there was a chunk
	first    time.Duration // when the first chunk began; negative: there was none
	last     time.Duration // when the last chunk began
	recorded time.Duration // when the time between two chunks was last recorded
}

func newPace() pace { return pace{first: -1} }

// record records that a chunk begins now.
func (p *pace) record(ctx context.Context, metrics *telemetry.Streams, now time.Duration) {
	switch {
	case !p.begun:
		metrics.Begin(ctx, now)
		p.begun, p.first, p.recorded = true, now, now-telemetry.LeastBetween // the first time is recorded
	case now-p.recorded >= telemetry.LeastBetween:
		metrics.Next(ctx, now-p.last)
		p.recorded = now
	}
	p.last = now
}

// elapsed is a time after the arrival of the request.
type elapsed struct{ atomic.Int64 }

func (e *elapsed) set(d time.Duration) { e.Store(int64(d)) }
func (e *elapsed) get() time.Duration  { return time.Duration(e.Load()) }

// streamLimits has the limits of an API's streams that are in force.
type streamLimits struct{ atomic.Pointer[config.Stream] }

func (l *streamLimits) get() config.Stream { return *l.Load() }

// errStreamEnded ends the loop over a function whose stream has ended.
var errStreamEnded = errors.New("the stream has ended")

// streamed runs a streaming function and returns when its stream has ended.
func (c *call) streamed() {
	st := &stream{call: c, limits: c.api.stream.limits.get(), pace: newPace()}
	c.stream = st
	c.ctx.start(c, c.api.timeoutInForce())
	st.first = c.ctx.deadline
	timeout := c.ctx.limit
	c.ctx.start(c, st.limits.MaxDuration)
	if at := c.ctx.deadline; !at.IsZero() && (st.first.IsZero() || at.Before(st.first)) {
		st.first, timeout = at, c.ctx.limit
	}
	c.ctx.parent, st.cancel = context.WithCancelCause(c.ctx.parent)
	defer st.cancel(nil)
	st.span, st.writer = context.Background(), http.NewResponseController(c.w)
	if c.x.app.tracing != nil {
		st.span = trace.ContextWithSpanContext(st.span, trace.SpanContextFromContext(c.r.Context()))
	}
	s := c.api.service.app.scratches.get()
	done := make(chan error, 1)
	go func() {
		err := errNoResult // stays if the function calls runtime.Goexit
		defer func() {
			c.ctx.end()
			if c.claim() && st.functionReturned() {
				done <- err
				return
			}
			c.returnedLate(err)
			s.put()
		}()
		err = c.work(s)
	}()
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
		wait, reached := st.check(time.Since(c.x.start))
		switch reached {
		case "":
			timer.Reset(wait)
		case limitFirst:
			if !c.claimLate() { // the first chunk is sent just now, or middleware has begun the response
				if !c.isClaimed() {
					st.cancel(c.api.timeoutError(timeout))
				}
				st.first = time.Time{}
				timer.Reset(0)
				continue
			}
			defer close(c.late)
			c.api.service.app.telemetry.Counts.Overdue.Add(1)
			st.cancel(c.api.timeoutError(timeout))
			c.respond(nil, c.timedOut(timeout))
			return
		default:
			st.cut(reached)
			return
		}
	}
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
	writing := st.writing.Load()
	if heartbeat := st.call.api.stream.heartbeat; heartbeat > 0 {
		at := max(st.wrote.get(), st.beat) + heartbeat
		if !writing && at <= now {
			st.beat, at = now, now+heartbeat
			go st.sendHeartbeat() // which may block, and is watched like a chunk
		}
		wait = min(wait, max(at-now, time.Millisecond))
	}
	if writing && st.limits.WriteTimeout > 0 {
		until(st.wrote.get()+st.limits.WriteTimeout, telemetry.StreamSlowReader)
	}
	if !writing && st.limits.IdleTimeout > 0 {
		until(st.last.get()+st.limits.IdleTimeout, telemetry.StreamIdle)
	}
	if at, ok := st.call.ctx.Deadline(); ok {
		until(at.Sub(st.call.x.start), telemetry.StreamDuration)
	}
	return wait, reached
}

// send sends a chunk. The first one begins the response.
func (st *stream) send(chunk []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return errStreamEnded
	}
	if !st.begun.Load() {
		if err := timeoutCause(st.call.ctx.parent); err != nil { // see streamed
			return err
		}
		if !st.call.claim() {
			return errStreamEnded
		}
		if err := st.begin(); err != nil {
			return err
		}
	}
	if st.silent {
		chunk = nil
	}
	now := time.Since(st.call.x.start)
	metrics := st.call.api.stream.metrics
	st.pace.record(st.span, metrics, now)
	if err := st.write(chunk, now); err != nil {
		return err
	}
	metrics.Sent(len(chunk))
	if st.limits.IdleTimeout > 0 { // else the clock need not be read
		st.last.set(time.Since(st.call.x.start))
	}
	return nil
}

// write writes and flushes data, and lets the handler's goroutine watch how long it
// takes. A client that does not read blocks it. st is locked.
func (st *stream) write(data []byte, now time.Duration) error {
	st.wrote.set(now)
	st.writing.Store(true)
	defer st.writing.Store(false)
	if err := st.call.ctx.parent.Err(); err != nil { // after writing is set, see cut
		return err
	}
	return st.writeOut(data)
}

// writeOut is write without the watch. st is locked.
func (st *stream) writeOut(data []byte) error {
	if st.silent { // not even an empty Write: HTTP/2 refuses it
		st.flush()
		return nil
	}
	if x, direct := st.call.w.(*exchange); direct {
		return x.writeAndFlush(data)
	}
	_, err := st.call.w.Write(data)
	if err == nil {
		st.flush()
	}
	return err
}

// sendHeartbeat sends a comment. If that fails, the connection is lost, which the next chunk
// notices too. A panic of middleware's writer ends the function's context, and then cuts
// the stream.
func (st *stream) sendHeartbeat() {
	st.mu.Lock()
	defer st.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			st.fault = &panicError{value: p, stack: debug.Stack()}
			st.cancel(st.fault)
		}
	}()
	if !st.ended && st.fault == nil {
		_ = st.write([]byte(sse.Heartbeat), time.Since(st.call.x.start))
	}
}

// begin sends the header, after which an error cannot be a response any more. If the
// function has set a status or header that is not allowed, it returns the error and sends
// nothing. st is locked.
func (st *stream) begin() error {
	c := st.call
	header := c.w.Header()
	status, err := c.prepare(header)
	if err != nil {
		return err
	}
	if c.api.stream.prompt {
		header["Cache-Control"], header["X-Accel-Buffering"] = []string{"no-cache"}, []string{"no"}
	}
	st.silent = !hasBody(status)
	c.w.WriteHeader(status)
	st.begun.Store(true)
	return nil
}

// flush sends what was written. Middleware may hide Flush; if its writer holds
// nothing back, flushing below it is enough.
func (st *stream) flush() {
	if st.writer.Flush() != nil && st.call.x.begun() {
		st.call.x.Flush()
	}
}

// functionReturned reports whether the function returned before its stream was cut.
func (st *stream) functionReturned() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.returned = true
	return !st.ended
}

// finish ends a stream whose function has returned. Without a chunk, an error is an
// ordinary response, and success a response without a body. After a chunk, an error cuts
// the stream, unless an event tells it.
func (st *stream) finish(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	c, kind := st.call, st.call.api.stream
	err = cmp.Or(st.fault, err)
	if !st.begun.Load() {
		if cause := timeoutCause(c.ctx.parent); cause != nil && errors.Is(err, context.Canceled) {
			err = cause
		}
		if err == nil {
			err = st.begin()
		}
		if err != nil {
			c.respond(nil, err)
			return
		}
		st.flush()
	}
	if kind.done+kind.failure != "" && st.limits.WriteTimeout > 0 { // nothing watches the last event
		_ = st.writer.SetWriteDeadline(time.Now().Add(st.limits.WriteTimeout))
		defer func() { _ = st.writer.SetWriteDeadline(time.Time{}) }()
	}
	slow := false // to read the last event
	if err == nil && kind.done != "" {
		err = st.event(sse.Event{}, []byte(kind.done))
		slow = errors.Is(err, os.ErrDeadlineExceeded)
	}
	reason := st.reason(err)
	if slow {
		reason = telemetry.StreamSlowReader
	}
	st.end(reason)
	switch reason {
	case telemetry.StreamCompleted:
		return
	case telemetry.StreamFailed:
		c.log(slog.LevelError, fmt.Errorf("after the response began: %w", err))
		if st.tell(err) == nil {
			return
		}
	case telemetry.StreamDuration, telemetry.StreamSlowReader:
		cut := st.limitError(reason)
		c.log(slog.LevelWarn, cut)
		if !slow && st.tell(cut) == nil {
			return
		}
	default: // the client and the drain have lines of their own
	}
	c.x.cutOff(reason == telemetry.StreamDisconnect)
}

// end counts the end of a stream, and marks its span if it failed. st is locked.
func (st *stream) end(reason telemetry.StreamEnd) {
	st.endedBy = reason
	st.call.api.stream.metrics.End(reason, st.pace.begun)
	st.call.api.streamFailed(st.call.x.request.Context(), reason)
}

// streamFailed marks the span of ctx with the reason why a stream ended, unless it was
// complete or its reader left. The status of the response, which was sent, does not tell.
func (a *api) streamFailed(ctx context.Context, reason telemetry.StreamEnd) {
	if a.service.app.tracing != nil && reason != telemetry.StreamCompleted && reason != telemetry.StreamDisconnect {
		tracing.SetError(ctx, string(reason))
	}
}

func (st *stream) event(e sse.Event, data []byte) error {
	var buf bytes.Buffer
	sse.Write(&buf, e, data)
	return st.write(buf.Bytes(), time.Since(st.call.x.start))
}

// errNotTold means that the API has no event that tells an error.
var errNotTold = errors.New("the API has no runtime.ErrorEvent")

// tell sends the event that tells why the stream ended. Without one, or if the client does
// not read it, it returns an error, and the stream must be cut. st is locked.
func (st *stream) tell(err error) error {
	name := st.call.api.stream.failure
	if name == "" {
		return errNotTold
	}
	response, _ := responseTo(err)
	if cut := (*streamCutError)(nil); errors.As(err, &cut) {
		response = &Error{Message: cut.told()}
	}
	data, _ := response.body()
	var buf bytes.Buffer
	sse.Write(&buf, sse.Event{Name: name}, data)
	return st.writeOut(buf.Bytes())
}

// reason returns why a stream ended whose function returned err.
func (st *stream) reason(err error) telemetry.StreamEnd {
	ctx := st.call.x.request.Context()
	deadline, limited := st.call.ctx.Deadline()
	switch {
	case ctx.Err() != nil && st.call.x.app.life.cutting.Load():
		return telemetry.StreamDrain
	case ctx.Err() == context.Canceled:
		return telemetry.StreamDisconnect
	case limited && !time.Now().Before(deadline):
		return telemetry.StreamDuration
	case err == nil:
		return telemetry.StreamCompleted
	}
	return telemetry.StreamFailed
}

// cut ends a stream that has reached a limit. The function may still run: it is counted as
// overdue until it returns, and its next chunk is not sent.
func (st *stream) cut(limit telemetry.StreamEnd) {
	c := st.call
	err := st.limitError(limit)
	st.cancel(err)
	var patience time.Duration // for a write that runs and for the event
	if limit != telemetry.StreamSlowReader && c.api.stream.failure != "" {
		patience = tellWithin
	}
	// Either a write sees that the context has ended, or this ends the write.
	control := http.NewResponseController(c.x.ResponseWriter)
	_ = control.SetWriteDeadline(time.Now().Add(patience))
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	if !st.returned {
		c.api.service.app.telemetry.Counts.Overdue.Add(1)
	}
	st.end(limit)
	c.log(slog.LevelWarn, err)
	if patience > 0 && st.tell(err) == nil {
		_ = control.SetWriteDeadline(time.Time{})
		return
	}
	c.x.cutOff(false)
}

// tellWithin is how long a client has to read what was sent before the event that tells
// of a limit.
const tellWithin = time.Second

// limitError returns the error for the log, and the cause with which the function's context
// ends.
func (st *stream) limitError(limit telemetry.StreamEnd) error {
	after := map[telemetry.StreamEnd]time.Duration{
		telemetry.StreamSlowReader: st.limits.WriteTimeout, telemetry.StreamIdle: st.limits.IdleTimeout, telemetry.StreamDuration: st.call.ctx.limit,
	}
	return &streamCutError{limit, after[limit]}
}

// streamCutError is the limit at which a stream was cut.
type streamCutError struct {
	limit telemetry.StreamEnd
	after time.Duration
}

func (e *streamCutError) Error() string {
	switch e.limit {
	case telemetry.StreamSlowReader:
		return fmt.Sprintf("stream cut: the client did not read a chunk within traffic.stream.write_timeout, %s", e.after)
	case telemetry.StreamIdle:
		return fmt.Sprintf("stream cut: no chunk within traffic.stream.idle_timeout, %s", e.after)
	}
	return fmt.Sprintf("stream cut: not finished within %s", e.after)
}

// told returns what the client is told.
func (e *streamCutError) told() string {
	if e.limit == telemetry.StreamIdle {
		return fmt.Sprintf("The stream had no event for %s", e.after)
	}
	return fmt.Sprintf("The stream was not finished within %s", e.after)
}
