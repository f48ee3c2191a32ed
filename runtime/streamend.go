package runtime

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/sse"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// outcome is how a stream ended.
type outcome struct {
	failure  error               // what ended the loop over the function; only the function's goroutine uses it
	silent   bool                // the status allows no body: the chunks are dropped
	returned bool                // the function has returned
	ended    bool                // nothing more is written
	endedBy  telemetry.StreamEnd // why it ended; only the handler's goroutine uses it
	fault    error               // why a heartbeat cannot be written; nil: none
	slow     error               // why a write failed whose client did not read in time; nil: none
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
		_ = st.flush()
	}
	began := time.Since(c.x.start)
	if kind.done+kind.failure != "" && st.limits.WriteTimeout > 0 { // nothing watches the last event
		_ = st.writer.SetWriteDeadline(c.x.start.Add(began + st.limits.WriteTimeout))
		defer func() { _ = st.writer.SetWriteDeadline(time.Time{}) }()
	}
	if err == nil && kind.done != "" {
		err = st.event(sse.Event{}, []byte(kind.done), began)
	}
	reason := st.reason(err)
	st.end(reason)
	if reason != telemetry.StreamCompleted && !st.explained(reason, err) {
		c.x.cutOff(reason == telemetry.StreamDisconnect)
	}
}

// explained logs why a stream is not complete, and reports whether its client was told.
// st is locked.
func (st *stream) explained(reason telemetry.StreamEnd, err error) bool {
	switch reason {
	case telemetry.StreamFailed:
		st.call.log(slog.LevelError, fmt.Errorf("after the response began: %w", err))
		return st.tell(err) == nil
	case telemetry.StreamSlowReader:
		st.call.log(slog.LevelWarn, st.slow)
	case telemetry.StreamDuration, telemetry.StreamIdle:
		cut := st.limitError(reason)
		st.call.log(slog.LevelWarn, cut)
		return st.tell(cut) == nil
	}
	return false // the client and the drain have lines of their own
}

// end counts the end of a stream, and marks its span if it failed. st is locked.
func (st *stream) end(reason telemetry.StreamEnd) {
	st.endedBy = reason
	st.pace.End(reason)
	st.call.api.streamFailed(st.call.x.request.Context(), reason)
}

// streamFailed marks the span of ctx with the reason why a stream ended, unless it was
// complete or its reader left. The status of the response, which was sent, does not tell.
func (a *api) streamFailed(ctx context.Context, reason telemetry.StreamEnd) {
	if a.service.app.tracing != nil && reason != telemetry.StreamCompleted && reason != telemetry.StreamDisconnect {
		tracing.SetError(ctx, string(reason))
	}
}

func (st *stream) event(e sse.Event, data []byte, now time.Duration) error {
	var buf bytes.Buffer
	sse.Write(&buf, e, data)
	return st.write(buf.Bytes(), now, false)
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
		response = &Error{Message: cut.forClient()}
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
	var cut *streamCutError
	switch {
	case ctx.Err() != nil && st.call.x.app.life.cutting.Load():
		return telemetry.StreamDrain
	case st.slow != nil: // over HTTP/2 that ends the context too
		return telemetry.StreamSlowReader
	case err != nil && errors.As(context.Cause(st.call.ctx.parent), &cut): // as the function returned
		return cut.limit
	case ctx.Err() == context.Canceled:
		return telemetry.StreamDisconnect
	case limited && !time.Now().Before(deadline):
		return telemetry.StreamDuration
	case err == nil:
		return telemetry.StreamCompleted
	}
	return telemetry.StreamFailed
}

// cut ends a stream that has reached a limit. The function still runs: it is counted as overdue
// until it returns, and its next chunk is not sent. cut returns false if the function has just
// returned. In that case finish ends the stream, and the limit is its reason only if a write failed.
func (st *stream) cut(limit telemetry.StreamEnd) bool {
	c := st.call
	err := st.limitError(limit)
	st.cancel(err)
	tells, deadline := limit != telemetry.StreamSlowReader && c.api.stream.failure != "", time.Unix(1, 0)
	if tells { // else the deadline has passed
		deadline = time.Now().Add(tellWithin)
	}
	// Either a write sees that the context has ended, or this ends the write.
	control := http.NewResponseController(c.x.ResponseWriter)
	_ = control.SetWriteDeadline(deadline)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.returned {
		_ = control.SetWriteDeadline(time.Time{})
		return false
	}
	st.ended = true
	c.api.service.app.telemetry.Counts.Overdue.Add(1)
	st.end(limit)
	c.log(slog.LevelWarn, err)
	if tells && st.tell(err) == nil {
		_ = control.SetWriteDeadline(time.Time{})
		return true
	}
	c.x.cutOff(false)
	return true
}

// tellWithin is how long a client has to read what was sent before the event that tells
// of a limit.
const tellWithin = time.Second
