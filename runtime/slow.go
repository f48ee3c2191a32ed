package runtime

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// SlowRequest is the record of a request that took slow.objective or longer. It has nothing of
// a body, a header, a path or a query.
type SlowRequest struct {
	Time     time.Time // when the request arrived
	Service  string    // the label runner_name
	Endpoint string    // the label endpoint
	Status   int       // as the metrics count it
	// RequestID is the id in the log and in X-BentoML-Request-ID.
	RequestID string
	// TraceID has 32 hexadecimal digits, as in exemplars. "": the request has no span.
	TraceID string
	Took    time.Duration
	// Cause is what took the largest share of Took. If shares differ by less than a tenth of
	// Took, it is the first of them in the order of the constants.
	Cause SlowCause
	// Spent says where Took went. Causes that took no time are missing.
	Spent map[SlowCause]time.Duration
	// BatchRequests and BatchItems are the numbers of requests and items in the last batch
	// with items of this request, its own included; 0: there was none.
	BatchRequests, BatchItems int
	// BatchCompute is the time that the function took for that batch. 0: it had not returned
	// when the response was sent.
	BatchCompute time.Duration
}

// SlowCause is what a request spent time on. docs/slow-requests.md says what to look at then.
type SlowCause string

// The causes. SlowGC and SlowScheduling are estimates for the whole process; the others are
// measured.
const (
	SlowBody       SlowCause = "body"       // reading the body of the request from the client
	SlowClient     SlowCause = "client"     // writing the response to the client
	SlowQueue      SlowCause = "queue"      // waiting for a slot of max_concurrency
	SlowBatch      SlowCause = "batch"      // waiting in the queue of a batchable API
	SlowGC         SlowCause = "gc"         // the garbage collector stopped the function, or let it help
	SlowScheduling SlowCause = "scheduling" // the function was ready to run, and had no processor
	SlowFunction   SlowCause = "function"   // the rest: the function, its batch, decoding, middleware
)

// SlowRequests returns the records of slow requests, the latest first: at most slow.keep. None
// are added while slow.objective and all slow_objective of endpoints are 0. It is safe for
// concurrent use.
func (a *App) SlowRequests() []SlowRequest {
	var list []SlowRequest
	for _, one := range a.slow.List("") {
		record := SlowRequest{
			Time: one.Time, Service: one.Service, Endpoint: one.Endpoint, Status: one.Status, RequestID: one.RequestID, TraceID: one.TraceID,
			Took: one.Took, Cause: SlowCause(one.Cause), Spent: make(map[SlowCause]time.Duration, len(one.Spent)),
			BatchRequests: one.BatchRequests, BatchItems: one.BatchItems, BatchCompute: one.BatchCompute,
		}
		for cause, share := range one.Spent {
			record.Spent[SlowCause(cause)] = share
		}
		list = append(list, record)
	}
	return list
}

// slowHandler sends the records as JSON, the latest first; with ?trace_id= or ?request_id=, those of
// a trace or a request. It is for /debug/slow of a listener that is not public.
func (a *App) slowHandler() http.Handler { return a.slow.Handler() }

// applySlow turns the records on if any endpoint has an objective.
func (a *App) applySlow(cfg *settings.InForce) {
	on := cfg.Slow.Objective > 0
	for _, one := range cfg.TrafficOf(a.name).Endpoints {
		on = on || one.SlowObjective != nil && *one.SlowObjective > 0
	}
	a.slow.Apply(on, cfg.Slow.Keep)
}

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
	if record.Endpoint != telemetry.Unmatched {
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
