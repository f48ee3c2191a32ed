package runtime

import (
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
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
