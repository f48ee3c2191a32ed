package telemetry

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

// Unmatched is the label endpoint of every path without a route. BentoML uses the
// path itself, with which any client can create series without end.
const Unmatched = "unmatched"

// ServiceSettings describes one service of an app.
type ServiceSettings struct {
	Name string
	// Prefix is added before each route in the label endpoint, because BentoML's
	// label is the requested path.
	Prefix string
	// MaxBatchSize is the largest max_batch_size of the service's batchable APIs. It
	// determines the boundaries of adaptive_batch_size. 0: no API is batchable.
	MaxBatchSize int
	// Concurrency returns how many slots of max_concurrency are in use, and the
	// limit; 0: no limit.
	Concurrency func() (taken, limit int64)
	// Queued returns how many requests wait for a slot.
	Queued func() int64
}

// Service records the default metrics of one service.
type Service struct {
	t           *Telemetry
	set         ServiceSettings
	identity    []attribute.KeyValue // runner_name, service_name, service_version
	lastRequest atomic.Int64         // nanoseconds since 1970; 0 before the first
	batchSize   metric.Int64Histogram
	refused     [refusals]atomic.Int64
	warmed      atomic.Int64 // nanoseconds that its Warm functions took; 0: they have not returned, or it has none

	mu        sync.Mutex // because a reader may collect while endpoints are added
	endpoints []*Endpoint
	batches   []*Batch
	streams   []*Streams
	tasks     []*Tasks
}

// AddService adds a service. The first one is the entry service.
func (t *Telemetry) AddService(set ServiceSettings) (*Service, error) {
	s := &Service{t: t, set: set}
	if !t.On() {
		return s, nil
	}
	s.identity = append([]attribute.KeyValue{attribute.String("runner_name", set.Name)}, t.set.App.attributes()...)
	t.services = append(t.services, s)
	if set.MaxBatchSize == 0 {
		return s, nil
	}
	var err error
	var scope []attribute.KeyValue
	// Services with one maximum share a scope. With another provider all do: its exporters
	// would show the attribute as a label.
	if first := t.services[slices.IndexFunc(t.services, batches)]; t.Exporter != nil && first.set.MaxBatchSize != set.MaxBatchSize {
		scope = append(scope, scopeattr.MaxBatchSize.Int(set.MaxBatchSize))
	}
	meter := t.bento().Meter(views.Scope, metric.WithInstrumentationAttributes(scope...))
	s.batchSize, err = meter.Int64Histogram(views.AdaptiveBatchSize, metric.WithDescription("Service adaptive batch size"),
		metric.WithExplicitBucketBoundaries(views.BatchSizeBoundaries(set.MaxBatchSize)...))
	return s, err
}

func batches(s *Service) bool { return s.set.MaxBatchSize > 0 }

// bento is the provider of BentoML's metrics.
func (t *Telemetry) bento() metric.MeterProvider {
	if t.Has("bentoml") {
		return t.Provider
	}
	return noop.NewMeterProvider()
}

func (s *Service) labels(more ...attribute.KeyValue) attribute.Set {
	return attribute.NewSet(append(more, s.identity...)...)
}

// Endpoint records the requests of one route. A nil Endpoint records nothing: with
// metrics.enabled: false, a request costs only the comparison with nil.
//
// Counters and gauges are atomics, which observable instruments read at collection.
// Only the duration is recorded with a synchronous instrument at each request. That
// costs a third of three synchronous instruments (docs/decisions/0001).
type Endpoint struct {
	service    *Service
	probe      bool // BentoML's last-request timestamp ignores probes
	seen       atomic.Bool
	inProgress atomic.Int64
	label      string
	labels     metric.ObserveOption
	duration   metric.Float64Histogram
	native     metric.Float64Histogram // nil: no native histogram beside duration
	http       *httpSeries             // nil unless metrics.conventions has http
	sockets    sockets
	outcomes   outcomes
}

// outcomes has the outcomes of a route by status, a block for each hundred: a pointer for each
// status would be 7 kB for each route, which every garbage collection reads.
type (
	outcomes [9]atomic.Pointer[block]
	block    [100]atomic.Pointer[outcome]
)

// of returns the place of a status from 100 to 999.
func (o *outcomes) of(status int) *atomic.Pointer[outcome] {
	hundred := &o[status/100-1]
	if hundred.Load() == nil {
		hundred.CompareAndSwap(nil, &block{})
	}
	return &hundred.Load()[status%100]
}

// all returns the outcomes of the statuses that were counted, in order.
func (o *outcomes) all() iter.Seq[*outcome] {
	return func(yield func(*outcome) bool) {
		for i := range o {
			hundred := o[i].Load()
			if hundred == nil {
				continue
			}
			for j := range hundred {
				if one := hundred[j].Load(); one != nil && !yield(one) {
					return
				}
			}
		}
	}
}

// outcome is the count of one status of a route, with its labels in the forms that
// the instruments need, made once.
type outcome struct {
	total  atomic.Int64
	count  metric.ObserveOption
	record []metric.RecordOption
}

// Endpoint adds the series of a route, unless it has them already. They are on /metrics
// from the first request on, or at once after Show.
func (s *Service) Endpoint(route string) (*Endpoint, error) {
	if route == Unmatched {
		return s.endpoint(route, route)
	}
	return s.endpoint(route, s.set.Prefix+route)
}

// RootEndpoint is Endpoint for a route without the path prefix.
func (s *Service) RootEndpoint(route string) (*Endpoint, error) { return s.endpoint(route, route) }

func (s *Service) endpoint(route, label string) (*Endpoint, error) {
	if !s.t.On() {
		return nil, nil //nolint:nilnil // nil records nothing
	}
	histogram, native, err := s.t.durations.of(route)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", route, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.endpoints, func(e *Endpoint) bool { return e.label == label }); i >= 0 {
		return s.endpoints[i], nil
	}
	e := &Endpoint{service: s, label: label, duration: histogram, native: native, http: s.t.http.of(label)}
	e.labels = metric.WithAttributeSet(s.labels(attribute.String("endpoint", label)))
	e.probe = route == "/healthz" || route == "/livez" || route == "/readyz"
	s.endpoints = append(s.endpoints, e)
	return e, nil
}

// Show exposes the endpoint at 0 for 200 and 500 on /metrics, so that rate() sees the
// first request and an autoscaler finds the gauge.
func (e *Endpoint) Show() {
	if e != nil {
		e.seen.Store(true)
		e.outcome(http.StatusOK)
		e.outcome(http.StatusInternalServerError)
	}
}

// Begin counts a request that arrived at now as in progress. It is separate from
// begin, so that the compiler inlines the comparison with nil.
func (e *Endpoint) Begin(now time.Time) {
	if e != nil {
		e.begin(now)
	}
}

func (e *Endpoint) begin(now time.Time) {
	if !e.seen.Load() {
		e.seen.Store(true)
	}
	e.inProgress.Add(1)
	if !e.probe {
		e.service.lastRequest.Store(now.UnixNano())
	}
}

// End counts a request as ended. The span in ctx becomes the exemplar.
func (e *Endpoint) End(ctx context.Context, status int, took time.Duration) {
	if e != nil {
		e.end(ctx, status, took)
	}
}

func (e *Endpoint) end(ctx context.Context, status int, took time.Duration) {
	e.inProgress.Add(-1)
	o := e.outcome(status)
	o.total.Add(1)
	e.duration.Record(ctx, took.Seconds(), o.record...)
	if e.native != nil {
		e.native.Record(ctx, took.Seconds(), o.record...)
	}
}

// EndHTTP is End for a request that came over HTTP.
func (e *Endpoint) EndHTTP(r *http.Request, status int, took time.Duration) {
	if e == nil {
		return
	}
	e.end(r.Context(), status, took)
	if e.http != nil {
		e.http.record(r, status, took)
	}
}

// Leave ends a request that Begin has counted and that is no request: a WebSocket, which
// has families of its own.
func (e *Endpoint) Leave() {
	if e != nil {
		e.inProgress.Add(-1)
	}
}

func (e *Endpoint) outcome(status int) *outcome {
	if status < 100 || status > 999 {
		status = http.StatusInternalServerError // HTTP has no such status
	}
	place := e.outcomes.of(status)
	if o := place.Load(); o != nil {
		return o
	}
	set := e.service.labels(attribute.String("endpoint", e.label), attribute.String("http_response_code", strconv.Itoa(status)))
	option := metric.WithAttributeSet(set)
	o := &outcome{count: option, record: []metric.RecordOption{option}}
	if !place.CompareAndSwap(nil, o) {
		return place.Load()
	}
	return o
}
