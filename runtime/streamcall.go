package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Call runs the API in process, without HTTP and JSON. The function begins with the
// loop over the sequence, on the goroutine of the loop, and ends with it. The call is
// counted as a request under this service's runner_name, and the service's limits
// apply. A limit of time ends the function's context, and the function must heed it:
// the loop waits until it yields or returns.
//
// An error is the last element of the sequence: those of [API.Call] before the first
// chunk, then the function's own, or which limit of traffic.stream was reached. A loop
// that breaks off is counted as a client that left.
func (a *StreamAPI[In, Out]) Call(ctx context.Context, in In) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		run := &streamCall{api: a.api, pace: a.api.stream.metrics.Pace()}
		err := run.do(ctx, func(ctx context.Context) error {
			for chunk, err := range a.fn(ctx, in) {
				if err = cmp.Or(ctx.Err(), err); err != nil {
					run.failure = err
					return err
				}
				run.chunk(ctx)
				run.outside = true
				run.left = !yield(chunk, nil)
				run.outside = false
				if run.left {
					return nil
				}
				run.resume()
			}
			return nil
		})
		switch {
		case err == nil:
		case run.left: // nobody is there to have it
			run.log(ctx, fmt.Errorf("after its caller had left: %w", err))
		default:
			var none Out
			yield(none, err)
		}
	}
}

// streamCall is a call of a streaming API in process.
type streamCall struct {
	api    *api
	limits config.Stream
	start  time.Time
	pace   *telemetry.Pace
	cancel context.CancelCauseFunc
	timer  *time.Timer // of the first chunk, then of the next; nil: no limit

	failure error // what ended the loop over the function
	outside bool  // the caller's loop runs, not the function
	left    bool  // the caller's loop has broken off
}

// do does for one call what the HTTP stages do for a request.
func (s *streamCall) do(ctx context.Context, fn func(context.Context) error) (err error) {
	if err := s.api.callable(); err != nil {
		return err
	}
	ctx, end := s.api.service.app.tracing.Call(ctx, s.api.service.name, s.api.name)
	ctx, generation := s.api.generation(ctx)
	s.limits, s.start = *s.api.stream.limits.Load(), time.Now()
	s.api.endpoint.Begin(s.start)
	err = errNoResult // if fn or the caller's loop ends its goroutine
	defer func() {
		status := http.StatusOK
		if !s.pace.Begun() {
			status = s.api.statusOf(ctx, err)
		}
		var reason telemetry.StreamEnd
		if s.pace.Begun() || err == nil {
			reason = s.reason(ctx, err)
			s.pace.End(reason)
			s.api.streamFailed(ctx, reason)
		}
		took := time.Since(s.start)
		s.api.endpoint.End(ctx, status, took)
		generation.end(ctx, s.api.service.app.telemetry.GenAI(), took, s.pace.First(), failureOf(status, reason))
		end(status, err)
		s.api.remember(ctx, err)
	}()
	return s.limited(ctx, fn)
}

// limited runs fn within the limits of the API.
func (s *streamCall) limited(ctx context.Context, fn func(context.Context) error) error {
	timeout := s.api.timeoutInForce()
	deadline, limit := s.api.nearest(ctx, s.start, timeout)
	permit, err := s.api.admit(ctx, s.api.service.app.askerOf(ctx), deadline, limit)
	if err != nil {
		return err
	}
	defer s.api.release(permit, false) // a stream lasts as long as its reader
	if most := s.limits.MaxDuration; most > 0 {
		limited, cancel := context.WithDeadlineCause(ctx, s.start.Add(most), durationError(most))
		defer cancel()
		ctx = limited
	}
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	defer s.stopTimer()
	if timeout > 0 {
		s.timer = time.AfterFunc(time.Until(s.start.Add(timeout)), func() { s.cancel(s.api.timeoutError(timeout)) })
	}
	err = s.protected(ctx, fn)
	if err == nil || ctx.Err() == nil {
		return err
	}
	return s.causeOf(ctx, err)
}

// causeOf returns the error of a call whose context has ended.
func (s *streamCall) causeOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == ctx.Err() { //nolint:errorlint // of the caller's context: a limit has an error of its own
		if !s.pace.Begun() && isDeadline(err) && isDeadline(cause) {
			return s.api.timeoutError(time.Since(s.start).Round(time.Millisecond))
		}
		return err
	}
	if cut := (*streamCutError)(nil); !s.pace.Begun() && errors.As(cause, &cut) { // as over HTTP
		return s.api.timeoutError(cut.after)
	}
	return cause
}

// protected runs fn and turns its panic into an error. A panic of the caller's loop
// goes on to the caller.
func (s *streamCall) protected(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() {
		if s.outside {
			return
		}
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack(), after: s.failure}
		}
	}()
	return fn(ctx)
}

// log logs an error that no caller gets.
func (s *streamCall) log(ctx context.Context, err error) {
	s.api.service.app.log.failed(ctx, slog.LevelError, RequestFrom(ctx).ID(), s.api.failure(err)...)
}

// chunk records a chunk, which ends the limit of the time to it. Chunks in process have
// no bytes.
func (s *streamCall) chunk(ctx context.Context) {
	s.stopTimer()
	s.pace.Chunk(ctx, time.Since(s.start))
	s.pace.Sent(0)
}

// resume limits the time to the next chunk. The time in the caller's loop does not count.
func (s *streamCall) resume() {
	idle := s.limits.IdleTimeout
	if idle == 0 {
		return
	}
	s.stopTimer()
	s.timer = time.AfterFunc(idle, func() { s.cancel(idleError(idle)) })
}

func (s *streamCall) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// reason returns why the stream ended, whose caller has this context.
func (s *streamCall) reason(caller context.Context, err error) telemetry.StreamEnd {
	var cut *streamCutError
	switch {
	case s.left, s.outside, err != nil && errors.Is(err, context.Canceled) && caller.Err() != nil:
		return telemetry.StreamDisconnect
	case errors.As(err, &cut):
		return cut.limit
	case isDeadline(err) && isDeadline(caller.Err()): // else the error is the function's own
		return telemetry.StreamDuration
	case err == nil:
		return telemetry.StreamCompleted
	}
	return telemetry.StreamFailed
}
