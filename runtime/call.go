package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// callInProcess runs one call of another service: what the HTTP stages do,
// without HTTP. fn runs on a goroutine of its own, so that the caller gets its
// answer at the deadline whatever fn does.
func (a *api) callInProcess(ctx context.Context, fn func(context.Context) error) error {
	if a.service.bound.Load() == nil {
		return fmt.Errorf("service %q: API %q: called before a runtime has it; bind it with New, or declare it with DependsOn", a.service.name, a.name)
	}
	ctx, span := a.startCall(ctx)
	start := time.Now()
	a.endpoint.begin(start)
	err := a.guard(ctx, fn)
	status := a.statusOf(ctx, err)
	a.endpoint.end(ctx, status, time.Since(start))
	endCall(span, status, err)
	return err
}

// startCall begins the span of a call, if there are spans. It is named as RPCs
// are, service and method.
func (a *api) startCall(ctx context.Context) (context.Context, trace.Span) {
	rt := a.service.bound.Load()
	if rt.tracer == nil {
		return ctx, nil
	}
	return rt.tracer.Tracer(ownScope).Start(ctx, a.service.name+"/"+a.name) //nolint:spancheck // endCall ends it
}

// endCall says of a failure what a request's span says.
func endCall(span trace.Span, status int, err error) {
	if span == nil {
		return
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		span.RecordError(err)
	}
	span.End()
}

func (a *api) guard(ctx context.Context, fn func(context.Context) error) error {
	if !a.service.limits.acquire() {
		return errTooManyRequests
	}
	timeout := a.service.limits.timeout()
	if timeout == 0 {
		defer a.service.limits.release()
		return protect(ctx, fn)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errNoResult // if fn ends its goroutine
		defer func() {
			a.service.limits.release() // before the caller can call again
			done <- err
		}()
		err = protect(ctx, fn)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if ctx.Err() == context.DeadlineExceeded {
		return a.timeoutError(timeout)
	}
	return ctx.Err()
}

var errNoResult = errors.New("the function ended its goroutine")

// protect runs fn and turns a panic into an error.
func protect(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return fn(ctx)
}

// statusOf is the status under which a call is counted: what the same answer
// would have over HTTP.
func (a *api) statusOf(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) { // its caller was answered 504, and nobody hung up
			return http.StatusGatewayTimeout
		}
		return a.service.bound.Load().cfg().Metrics.ClientClosed
	}
	answer, _ := answerOf(err)
	return answer.Status
}
