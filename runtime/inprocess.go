package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
)

// Call runs the API in process, without HTTP and JSON. The call is counted as a request under this
// service's runner_name, and the service's limits apply.
//
// A timeout is an [Error] with status 504; if no slot is free, and traffic.max_queue has no place to
// wait for one, the status is 429. It is 503 if the app starts or ends, if http.max_overdue is reached, or
// if the batcher refuses the items: the error then wraps a [batcher.OverloadError] or
// [batcher.ErrClosed]. An error of the function is returned unchanged: a caller that
// returns such an [Error] sends it to its own client. If only some items of a batchable API fail, the
// error is a [batcher.Errors], beside the results of the others. A panic is returned as an error.
// Before [App.Run] or [App.Handler], Call returns an error. Constraints in struct tags are not checked:
// they apply to JSON requests only. Call is safe for concurrent use. With a timeout or a deadline of
// ctx, the function runs in a goroutine of its own, and may still use in after Call has returned.
func (a *API[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var result Out
	err := a.api.callInProcess(ctx, func(ctx context.Context) (err error) {
		result, err = a.fn(ctx, in)
		return err
	})
	if _, some := err.(batcher.Errors); err != nil && !some { //nolint:errorlint // as Do returns it
		var none Out // a function that runs past its timeout may still set result
		return none, err
	}
	return result, err
}

// callInProcess does for one call what the HTTP stages do for a request.
func (a *api) callInProcess(ctx context.Context, fn func(context.Context) error) (err error) {
	if err := a.callable(); err != nil {
		return err
	}
	ctx, end := a.service.app.tracing.Call(ctx, a.service.name, a.name)
	ctx, generation := a.generation(ctx)
	start := time.Now()
	a.endpoint.Begin(start)
	err = errNoResult // if fn ends its goroutine
	defer func() {
		status := a.statusOf(ctx, err)
		took := time.Since(start)
		a.endpoint.End(ctx, status, took)
		generation.end(ctx, a.service.app.telemetry.GenAI(), took, -1, failureOf(status, ""))
		end(status, err)
		a.remember(ctx, err)
	}()
	if err = a.runLimited(ctx, fn); err != nil {
		lendFiles(ctx)
	}
	return err
}

// generation returns a context with the Generation of a call in process; nil: none is
// recorded.
func (a *api) generation(ctx context.Context) (context.Context, *Generation) {
	if a.service.app.telemetry.GenAI() == nil {
		return ctx, nil
	}
	generation := &Generation{}
	return context.WithValue(ctx, genAIKey{}, generation), generation
}

// callable returns an error if the app cannot serve calls of a.
func (a *api) callable() error {
	switch {
	case !a.service.app.life.valid.Load():
		return fmt.Errorf("%s: called before the app runs; call it after App.Run or App.Handler", a.where())
	case a.ignored:
		return fmt.Errorf("%s: ignored, because it was declared after App.Run or App.Handler", a.where())
	}
	return nil
}

// runLimited runs fn within the limits, in its own goroutine. It returns at the
// deadline even if fn still runs.
func (a *api) runLimited(ctx context.Context, fn func(context.Context) error) error {
	start, timeout := time.Now(), a.timeoutInForce()
	if timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, timeout, a.timeoutError(timeout))
		defer cancel()
		ctx = limited
	}
	deadline, limit := a.nearest(ctx, start, timeout)
	limited := !deadline.IsZero()
	permit, err := a.admit(ctx, a.service.app.askerOf(ctx), deadline, limit)
	if err != nil {
		return err
	}
	if !limited {
		defer a.release(permit, true)
		return protect(ctx, fn)
	}
	done := make(chan error, 1)
	var left atomic.Int32 // 1: the caller left first; 2: fn ended first
	go func() {
		err := errNoResult // stays if fn calls runtime.Goexit
		defer func() {
			a.release(permit, true) // first, so that the caller's next call finds the slot free
			if !left.CompareAndSwap(0, 2) {
				a.service.app.telemetry.Counts.Overdue.Add(-1)
			}
			done <- err
		}()
		err = protect(ctx, fn)
	}()
	select {
	case err := <-done:
		if !isDeadline(err) || !isDeadline(ctx.Err()) { // else fn noticed the deadline first
			return err
		}
	case <-ctx.Done():
	}
	if overdue := &a.service.app.telemetry.Counts.Overdue; isDeadline(ctx.Err()) {
		overdue.Add(1) // before fn can take it back
		if !left.CompareAndSwap(0, 1) {
			overdue.Add(-1)
		}
	}
	if cause := timeoutCause(ctx); cause != nil {
		return cause
	}
	if isDeadline(ctx.Err()) { // of the caller's context
		return a.timeoutError(time.Since(start).Round(time.Millisecond))
	}
	return ctx.Err()
}

// statusOf returns the status that the metrics have for a call: the status of the
// same result over HTTP.
func (a *api) statusOf(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		if timeoutCause(ctx) != nil || isDeadline(context.Cause(ctx)) { // the caller got a 504; nobody hung up
			return http.StatusGatewayTimeout
		}
		return a.service.app.conf.Now().Metrics.ClientClosed
	case isDeadline(err) && isDeadline(ctx.Err()):
		return http.StatusGatewayTimeout
	}
	response, _ := responseTo(err)
	return response.Status
}
