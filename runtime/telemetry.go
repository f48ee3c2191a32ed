package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// unmatched is the endpoint of every path without a route. BentoML uses the
// path itself, which lets any stranger create series without end.
const unmatched = "unmatched"

// worker is the worker_index of a service that is one process.
const worker = "1"

// telemetry records the default metrics of an app.
//
// Counters and gauges are atomics that observable instruments read when
// somebody scrapes; only the duration goes through a synchronous instrument on
// each request. That is a third of what three synchronous instruments cost.
// The seam is small, so that bound instruments can replace the atomics once
// OpenTelemetry has them.
type telemetry struct {
	services    []*serviceSeries
	batches     *batchInstruments // nil without a batchable API
	durations   *durations
	http        *httpInstruments // nil unless metrics.conventions has them
	disconnects atomic.Int64
	overdue     atomic.Int64

	reloads, reloadsFailed atomic.Int64
	reloadFailed           atomic.Bool // the last time
}

// serviceSeries are the series of one service of the app.
type serviceSeries struct {
	prefix      string
	identity    []attribute.KeyValue // runner_name, service_name, service_version
	lastRequest atomic.Int64         // nanoseconds since 1970; 0 before the first
	lastLabels  metric.ObserveOption
	batchSize   metric.Int64Histogram

	mu        sync.Mutex // a reader may collect while routes are made
	endpoints []*endpoint
}

// endpoint are the series of one route. A nil endpoint records nothing, and
// costs the comparison: that is what metrics.enabled: false leaves.
type endpoint struct {
	service    *serviceSeries
	name       string
	probe      bool // BentoML's last-request timestamp skips the probes
	seen       atomic.Bool
	inProgress atomic.Int64
	labels     metric.ObserveOption
	duration   metric.Float64Histogram
	native     metric.Float64Histogram // nil: there is no second form
	batches    *batchSeries            // of a batchable API
	http       *httpSeries             // nil unless metrics.conventions has it
	// outcomes are indexed by status, from 100 on: what net/http can send.
	outcomes [900]atomic.Pointer[outcome]
}

// outcome is one (route, status): its count, and its label set in the forms
// the instruments want, made once.
type outcome struct {
	total  atomic.Int64
	count  metric.ObserveOption
	record []metric.RecordOption
}

// begin counts a request in. now is when it arrived. It is split from enter so
// that the compiler puts the comparison into the caller: that is all that is
// left of it when metrics are off.
func (e *endpoint) begin(now time.Time) {
	if e != nil {
		e.enter(now)
	}
}

func (e *endpoint) enter(now time.Time) {
	if !e.seen.Load() {
		e.seen.Store(true)
	}
	e.inProgress.Add(1)
	if !e.probe {
		e.service.lastRequest.Store(now.UnixNano())
	}
}

// end counts a request out. ctx is the request's, for the exemplar.
func (e *endpoint) end(ctx context.Context, status int, took time.Duration) {
	if e != nil {
		e.leave(ctx, status, took)
	}
}

func (e *endpoint) leave(ctx context.Context, status int, took time.Duration) {
	e.inProgress.Add(-1)
	o := e.outcome(status)
	o.total.Add(1)
	e.duration.Record(ctx, took.Seconds(), o.record...)
	if e.native != nil {
		e.native.Record(ctx, took.Seconds(), o.record...)
	}
}

func (e *endpoint) outcome(status int) *outcome {
	index := status - 100
	if index < 0 || index >= len(e.outcomes) {
		index = 500 - 100
	}
	if o := e.outcomes[index].Load(); o != nil {
		return o
	}
	set := e.service.set(attribute.String("endpoint", e.name), attribute.String("http_response_code", strconv.Itoa(index+100)))
	option := metric.WithAttributeSet(set)
	o := &outcome{count: option, record: []metric.RecordOption{option}}
	if !e.outcomes[index].CompareAndSwap(nil, o) {
		return e.outcomes[index].Load()
	}
	return o
}

func (s *serviceSeries) set(more ...attribute.KeyValue) attribute.Set {
	return attribute.NewSet(append(more, s.identity...)...)
}

// identity is what an app is called on the page.
type identity struct{ name, version string }

// newTelemetry makes the series of every service. APIs exist on the page from
// the start, at 0 for 200 and 500, so that rate() sees the first request and an
// autoscaler finds the gauge.
//
// Routes of the entry service, the first one, carry the path prefix in their
// label: BentoML's label is the path as it was requested.
//
// ours says that the provider is our own, whose readers know what to do with two
// forms of one histogram. Anybody else's would have one series twice.
func newTelemetry(provider metric.MeterProvider, ours bool, cfg config.Config, app identity, services []*Service) (*telemetry, error) {
	bento := provider
	if !slices.Contains(cfg.Metrics.Conventions, "bentoml") {
		bento = noop.NewMeterProvider()
	}
	t := &telemetry{durations: newDurations(bento, ours, cfg.Metrics.Views)}
	var errs []error
	if slices.Contains(cfg.Metrics.Conventions, "http") {
		instruments, err := newHTTPInstruments(provider)
		t.http = instruments
		errs = append(errs, err)
	}
	if slices.ContainsFunc(services, (*Service).batchable) {
		instruments, err := newBatchInstruments(provider.Meter(ownScope))
		t.batches = instruments
		errs = append(errs, err, t.observeQueues(provider.Meter(ownScope), app, services))
	}
	for i, svc := range services {
		prefix := cfg.HTTP.PathPrefix
		if i > 0 {
			prefix = ""
		}
		series, err := t.newServiceSeries(bento, cfg, app, svc, prefix)
		errs = append(errs, err)
		t.services = append(t.services, series)
	}
	errs = append(errs, t.observe(bento.Meter(views.Scope)), t.observeOwn(provider.Meter(ownScope)), t.observeLimits(provider.Meter(ownScope), app, services))
	return t, errors.Join(errs...)
}

func (t *telemetry) newServiceSeries(provider metric.MeterProvider, cfg config.Config, app identity, svc *Service, prefix string) (*serviceSeries, error) {
	s := &serviceSeries{prefix: prefix, identity: []attribute.KeyValue{
		attribute.String("runner_name", svc.name),
		attribute.String("service_name", app.name),
		attribute.String("service_version", app.version),
	}}
	s.lastLabels = metric.WithAttributeSet(s.set())
	largest := 0
	for _, a := range svc.apis {
		if a.batch != nil {
			largest = max(largest, a.configured(cfg.BatchingOf(svc.name), 0).MaxBatchSize)
		}
	}
	var errs []error
	if largest > 0 {
		var scope []attribute.KeyValue
		if t.durations.ours {
			scope = append(scope, scopeattr.MaxBatchSize.Int(largest))
		}
		meter := provider.Meter(views.Scope, metric.WithInstrumentationAttributes(scope...))
		histogram, err := meter.Int64Histogram(views.AdaptiveBatchSize, metric.WithDescription("Service adaptive batch size"),
			metric.WithExplicitBucketBoundaries(views.BatchSizeBoundaries(largest)...))
		s.batchSize = histogram
		errs = append(errs, err)
	}
	for _, a := range svc.apis {
		e, err := s.endpoint(t, a.route)
		errs = append(errs, err)
		if err != nil {
			continue
		}
		e.seen.Store(true)
		e.outcome(200)
		e.outcome(500)
		if a.batch != nil {
			e.batches = newBatchSeries(t.batches, s.batchSize, append([]attribute.KeyValue{attribute.String("method_name", a.name)}, s.identity...))
		}
		a.endpoint = e
	}
	return s, errors.Join(errs...)
}

// endpoint makes the series of a route, which show once it has been seen.
func (s *serviceSeries) endpoint(t *telemetry, route string) (*endpoint, error) {
	histogram, native, err := t.durations.of(route)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", route, err)
	}
	label := route
	if route != unmatched {
		label = s.prefix + route
	}
	e := &endpoint{service: s, name: label, duration: histogram, native: native, http: t.http.of(label)}
	e.labels = metric.WithAttributeSet(s.set(attribute.String("endpoint", label)))
	switch route {
	case "/healthz", "/livez", "/readyz":
		e.probe = true
	}
	s.mu.Lock()
	s.endpoints = append(s.endpoints, e)
	s.mu.Unlock()
	return e, nil
}

// observe registers the instruments that read the atomics.
func (t *telemetry) observe(meter metric.Meter) error {
	inProgress, err1 := meter.Int64ObservableUpDownCounter(views.RequestInProgress,
		metric.WithDescription("Total number of runner RPC in progress now"))
	total, err2 := meter.Int64ObservableCounter(views.RequestTotal,
		metric.WithDescription("Total number of runner RPC"))
	last, err3 := meter.Float64ObservableGauge(views.LastRequestTimestamp,
		metric.WithDescription("Timestamp of the last received request"), metric.WithUnit("s"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range t.services {
			if at := s.lastRequest.Load(); at != 0 {
				o.ObserveFloat64(last, float64(at)/1e9, s.lastLabels)
			}
			s.mu.Lock()
			for _, e := range s.endpoints {
				e.observe(o, inProgress, total)
			}
			s.mu.Unlock()
		}
		return nil
	}, inProgress, total, last)
	return err
}

func (e *endpoint) observe(o metric.Observer, inProgress, total metric.Int64Observable) {
	if !e.seen.Load() {
		return
	}
	o.ObserveInt64(inProgress, e.inProgress.Load(), e.labels)
	for i := range e.outcomes {
		if out := e.outcomes[i].Load(); out != nil {
			o.ObserveInt64(total, out.total.Load(), out.count)
		}
	}
}

// ownScope is the scope of metrics that BentoML does not have.
const ownScope = "github.com/ekiben-serving/ekiben"

// observeOwn registers what BentoML has no name for, outside its namespace.
func (t *telemetry) observeOwn(meter metric.Meter) error {
	disconnects, err1 := meter.Int64ObservableCounter("ekiben.http.disconnects",
		metric.WithDescription("Requests whose client hung up before the answer"), metric.WithUnit("{request}"))
	overdue, err2 := meter.Int64ObservableUpDownCounter("ekiben.http.overdue",
		metric.WithDescription("Functions still running after their request was answered 504"), metric.WithUnit("{request}"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(disconnects, t.disconnects.Load())
		o.ObserveInt64(overdue, t.overdue.Load())
		return nil
	}, disconnects, overdue)
	return err
}

// observeLimits registers what holds the slots of each service, and how many
// there are, of those that have a limit. A function that outlives its 504 is no
// request in progress, and holds its slot.
func (t *telemetry) observeLimits(meter metric.Meter, app identity, services []*Service) error {
	taken, err1 := meter.Int64ObservableUpDownCounter("ekiben.traffic.concurrency",
		metric.WithDescription("Slots of max_concurrency that are taken: by requests, calls of other services, and functions that outlive their 504"), metric.WithUnit("{request}"))
	limit, err2 := meter.Int64ObservableUpDownCounter("ekiben.traffic.max_concurrency",
		metric.WithDescription("Requests that a service works on at once; there is no such series without a limit"), metric.WithUnit("{request}"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	labels := make([]metric.ObserveOption, len(services))
	for i, svc := range services {
		labels[i] = metric.WithAttributes(attribute.String("runner_name", svc.name),
			attribute.String("service_name", app.name), attribute.String("service_version", app.version))
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i, svc := range services {
			o.ObserveInt64(taken, svc.limits.running.Load(), labels[i])
			if most := svc.limits.max.Load(); most > 0 {
				o.ObserveInt64(limit, most, labels[i])
			}
		}
		return nil
	}, taken, limit)
	return err
}

func (s *Service) batchable() bool {
	return slices.ContainsFunc(s.apis, func(a *api) bool { return a.queue != nil })
}

// observeQueues registers how much waits in the batch queues.
func (t *telemetry) observeQueues(meter metric.Meter, app identity, services []*Service) error {
	depth, err := meter.Int64ObservableUpDownCounter("ekiben.batch.queue.items",
		metric.WithDescription("Items that wait for a batch"), metric.WithUnit("{item}"))
	if err != nil {
		return err
	}
	var queues []queue
	var labels []metric.ObserveOption
	for _, svc := range services {
		for _, a := range svc.apis {
			if a.queue != nil {
				queues = append(queues, a.queue)
				labels = append(labels, metric.WithAttributes(attribute.String("method_name", a.name), attribute.String("runner_name", svc.name),
					attribute.String("service_name", app.name), attribute.String("service_version", app.version)))
			}
		}
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i, q := range queues {
			_, items := q.Queued()
			o.ObserveInt64(depth, int64(items), labels[i])
		}
		return nil
	}, depth)
	return err
}

// observeReloads registers how reading the configuration again went.
func (t *telemetry) observeReloads(meter metric.Meter) error {
	reloads, err1 := meter.Int64ObservableCounter("ekiben.config.reloads",
		metric.WithDescription("Times the configuration was read again"), metric.WithUnit("{reload}"))
	successful, err2 := meter.Int64ObservableGauge("ekiben.config.last_reload_successful",
		metric.WithDescription("Whether the configuration in force is the last one that was written"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	success, failure := metric.WithAttributes(attribute.String("result", "success")), metric.WithAttributes(attribute.String("result", "failure"))
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(reloads, t.reloads.Load(), success)
		o.ObserveInt64(reloads, t.reloadsFailed.Load(), failure)
		last := int64(1)
		if t.reloadFailed.Load() {
			last = 0
		}
		o.ObserveInt64(successful, last)
		return nil
	}, reloads, successful)
	return err
}

// legalText makes a label value of what somebody typed: UTF-8, or OTLP would
// send nothing at all and the page would be refused as a whole.
func legalText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
