package runtime

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// watchSlow measures what the request waits for, if it may be slow.
func (x *exchange) watchSlow() {
	if x.match.route.probe || x.objective() == 0 {
		return
	}
	x.watch = x.app.slow.Watch(x.start)
	if x.watch != nil && x.request.Body != nil && x.request.ContentLength != 0 && !x.readsAtOnce() {
		x.request.Body = x.watch.Reading(x.request.Body)
	}
}

// readsAtOnce reports whether nothing happens before readBody reads the whole body.
func (x *exchange) readsAtOnce() bool {
	_, ok := x.match.route.handler.(*api)
	return ok && len(x.app.middleware) == 0 && x.app.guards.Load() == nil
}

// objective returns how long a request that is not slow takes at most; 0: no request is slow.
func (x *exchange) objective() time.Duration {
	switch handler := x.match.route.handler.(type) {
	case *api:
		return time.Duration(handler.inForce.objective.Load())
	case *mount:
		return time.Duration(handler.limits.inForce.objective.Load())
	}
	return x.app.conf.Now().Slow.Objective
}

// endSlow keeps a record of the request, if it was slow.
func (x *exchange) endSlow(status int, took time.Duration) {
	if x.watch == nil {
		return
	}
	if objective := x.objective(); objective == 0 || took < objective {
		return
	}
	ctx, record := x.request.Context(), slow.Record{
		Time: x.start, Service: x.app.name, Endpoint: x.match.route.label, Status: status, RequestID: x.id[0], Took: took,
	}
	if record.Endpoint != telemetry.Unmatched && !x.match.route.root {
		record.Endpoint = x.app.conf.Now().HTTP.PathPrefix + record.Endpoint
	}
	if span := trace.SpanContextFromContext(ctx); x.app.tracing != nil && span.IsValid() {
		record.TraceID = span.TraceID().String()
	}
	x.match.route.endpoint.Slow(ctx, x.app.slow.Add(x.watch, record).String())
}

// waitKey is the key of the [slow.Wait] of a call that waits for its batches.
type waitKey struct{}

// awaitBatch says that the request waits for the batches of a call with the context that it
// returns. End the wait when the call returns.
func awaitBatch(ctx context.Context, watch *slow.Watch) (context.Context, *slow.Wait) {
	wait := watch.Await()
	if wait == nil {
		return ctx, nil
	}
	return context.WithValue(ctx, waitKey{}, wait), wait
}

// watchBatch tells the calls of a batch that it begins. ended tells them that it has ended.
func watchBatch(ctx context.Context, items int) (ended func()) {
	began, calls := time.Now(), batcher.RequestContexts(ctx)
	run := &slow.Run{Requests: len(calls), Items: items}
	var waits []*slow.Wait
	for _, call := range calls {
		if wait, ok := call.Value(waitKey{}).(*slow.Wait); ok {
			wait.Began(run)
			waits = append(waits, wait)
		}
	}
	return func() {
		for _, wait := range waits {
			wait.Computed(run, time.Since(began))
		}
	}
}
