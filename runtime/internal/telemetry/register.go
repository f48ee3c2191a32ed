package telemetry

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/views"
)

// Counts has the runtime's counts of requests and reloads.
type Counts struct {
	// Disconnects counts requests whose client hung up before the response, or before the
	// end of a stream.
	Disconnects atomic.Int64
	// Overdue is the number of functions that still run after the 504 was sent.
	Overdue atomic.Int64
	// Reloads and ReloadsFailed count the reloads of the configuration that
	// succeeded and failed. LastReloadFailed reports whether the last one failed.
	Reloads, ReloadsFailed atomic.Int64
	LastReloadFailed       atomic.Bool
	// CutNone and CutPart count the requests that the end of the app cut off, whose client got no
	// response, and a part of one.
	CutNone, CutPart atomic.Int64
}

// Kinds says which kinds of APIs an app has: each kind has metrics of its own.
type Kinds struct{ Batches, Streams, Mounts, Tasks bool }

// Prepare makes the instruments of services. Call it once, before AddService.
func (t *Telemetry) Prepare(has Kinds) (err error) {
	if !t.On() {
		return nil
	}
	t.durations = &durations{provider: t.bento(), ours: t.Exporter != nil, cfg: t.set.Config.Metrics.Views, made: map[string]metric.Float64Histogram{}}
	if t.Has("http") {
		if t.http, err = newHTTPInstruments(t.Provider, t.set.App); err != nil {
			return err
		}
	}
	if t.Has("gen_ai") {
		if t.genAI, err = newGenAI(t.Provider, t.set.App); err != nil {
			return err
		}
	}
	if t.Has("rpc") {
		if t.rpc, err = newRPC(t.Provider, t.set.App); err != nil {
			return err
		}
	}
	if t.slow, err = newSlowCounter(t.Provider.Meter(Scope)); err != nil {
		return err
	}
	if has.Batches {
		t.batches, err = newBatchInstruments(t.Provider.Meter(Scope))
	}
	if has.Mounts {
		var socketErr error
		t.sockets, socketErr = newSocketInstruments(t.bento().Meter(views.Scope))
		err = errors.Join(err, socketErr)
	}
	if has.Streams {
		var streamErr error
		t.streams, streamErr = newStreamInstruments(t.Provider.Meter(Scope))
		err = errors.Join(err, streamErr)
	}
	if has.Tasks {
		var taskErr error
		t.tasks, taskErr = newTaskInstruments(t.Provider.Meter(Scope))
		err = errors.Join(err, taskErr)
	}
	return err
}

// Register registers the callbacks of the default metrics and of the runtime's own
// metrics. Call it once, after the last AddService. reloads says whether the
// configuration can be reloaded.
func (t *Telemetry) Register(reloads bool) error {
	if !t.On() {
		return nil
	}
	own := t.Provider.Meter(Scope)
	errs := []error{t.observeRequests(t.bento().Meter(views.Scope)), t.observeOwn(own), t.observeCut(own), t.observeServices(own), t.observeRefusals(own), t.observeStreams(own), t.observeTasks(own), t.observeWarm(own), t.observeSockets(own)}
	if reloads {
		errs = append(errs, t.observeReloads(own))
	}
	if t.Exporter != nil {
		errs = append(errs, t.observeScrapes(own))
	}
	return errors.Join(errs...)
}

// observeRequests registers BentoML's counters and gauges.
func (t *Telemetry) observeRequests(meter metric.Meter) error {
	inProgress, err1 := meter.Int64ObservableUpDownCounter(views.RequestInProgress,
		metric.WithDescription("Total number of runner RPC in progress now"))
	total, err2 := meter.Int64ObservableCounter(views.RequestTotal,
		metric.WithDescription("Total number of runner RPC"))
	last, err3 := meter.Float64ObservableGauge(views.LastRequestTimestamp,
		metric.WithDescription("Timestamp of the last received request"), metric.WithUnit("s"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	lastLabels := make([]metric.ObserveOption, len(t.services))
	for i, s := range t.services {
		lastLabels[i] = metric.WithAttributeSet(s.labels())
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i, s := range t.services {
			if at := s.lastRequest.Load(); at != 0 {
				o.ObserveFloat64(last, float64(at)/1e9, lastLabels[i])
			}
			for _, e := range s.listEndpoints() {
				e.observe(o, inProgress, total)
			}
		}
		return nil
	}, inProgress, total, last)
	return err
}

func (s *Service) listEndpoints() []*Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.endpoints)
}

func (e *Endpoint) observe(o metric.Observer, inProgress, total metric.Int64Observable) {
	if !e.seen.Load() {
		return
	}
	o.ObserveInt64(inProgress, e.inProgress.Load(), e.labels)
	for out := range e.outcomes.all() {
		o.ObserveInt64(total, out.total.Load(), out.count)
	}
}

// app returns the labels of app-wide metrics. Without them, the metrics of two apps
// in one registry would collide.
func (t *Telemetry) app(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more, t.set.App.attributes()...)...))
}

// observeOwn registers the app-wide metrics that BentoML does not have.
func (t *Telemetry) observeOwn(meter metric.Meter) error {
	disconnects, err1 := meter.Int64ObservableCounter("ekiben.http.disconnects",
		metric.WithDescription("Requests whose client hung up before the response, or before the end of a stream"), metric.WithUnit("{request}"))
	overdue, err2 := meter.Int64ObservableUpDownCounter("ekiben.http.overdue",
		metric.WithDescription("Functions that still run after the 504 of their request, or after a limit ended their stream"), metric.WithUnit("{request}"))
	invalid, err3 := meter.Int64ObservableCounter("ekiben.metrics.invalid",
		metric.WithDescription("Values of custom metrics that were dropped: a counter takes neither negative values nor NaN"), metric.WithUnit("{value}"))
	dropped, err4 := meter.Int64ObservableCounter("ekiben.log.dropped",
		metric.WithDescription("Log lines that were dropped: standard error was not read fast enough, or could not be written"), metric.WithUnit("{line}"))
	late, err5 := meter.Int64ObservableCounter("ekiben.http.late_clients",
		metric.WithDescription("Clients that were late to send or to read, by the limit of http.limits that they exceeded"), metric.WithUnit("{connection}"))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	labels := t.app()
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(disconnects, t.Counts.Disconnects.Load(), labels)
		o.ObserveInt64(overdue, t.Counts.Overdue.Load(), labels)
		o.ObserveInt64(invalid, t.invalid.total.Load(), labels)
		if t.set.LogDropped != nil {
			o.ObserveInt64(dropped, t.set.LogDropped(), labels)
		}
		if t.set.Late != nil {
			for limit, n := range t.set.Late() {
				o.ObserveInt64(late, n, t.app(attribute.String("limit", limit)))
			}
		}
		return nil
	}, disconnects, overdue, invalid, dropped, late)
	return err
}

// observeServices registers the slots and the batch queues of each service. A
// function that runs beyond its 504 is not a request in progress, but has its slot.
func (t *Telemetry) observeServices(meter metric.Meter) error {
	taken, err1 := meter.Int64ObservableUpDownCounter("ekiben.traffic.concurrency",
		metric.WithDescription("Slots of max_concurrency that are taken: by requests, calls of other services, and functions that outlive their 504"), metric.WithUnit("{request}"))
	limit, err2 := meter.Int64ObservableUpDownCounter("ekiben.traffic.max_concurrency",
		metric.WithDescription("Requests that a service works on at once; there is no such series without a limit"), metric.WithUnit("{request}"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	instruments := []metric.Observable{taken, limit}
	var depth metric.Int64ObservableUpDownCounter
	var hanging metric.Int64ObservableGauge
	if t.batches != nil {
		depth, err1 = meter.Int64ObservableUpDownCounter("ekiben.batch.queue.items",
			metric.WithDescription("Items that wait for a batch"), metric.WithUnit("{item}"))
		hanging, err2 = meter.Int64ObservableGauge("ekiben.batch.hanging",
			metric.WithDescription("1 while the function of a batchable API hangs, else 0"))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		instruments = append(instruments, depth, hanging)
	}
	labels := make([]metric.ObserveOption, len(t.services))
	for i, s := range t.services {
		labels[i] = metric.WithAttributeSet(s.labels())
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i, s := range t.services {
			now, most := s.set.Concurrency()
			o.ObserveInt64(taken, now, labels[i])
			if most > 0 {
				o.ObserveInt64(limit, most, labels[i])
			}
			for _, b := range s.batches {
				_, items := b.queued()
				o.ObserveInt64(depth, int64(items), b.depth)
				hangs := int64(0)
				if b.hanging() {
					hangs = 1
				}
				o.ObserveInt64(hanging, hangs, b.depth)
			}
		}
		return nil
	}, instruments...)
	return err
}

// Warmed records how long the Warm functions of the service took.
func (s *Service) Warmed(took time.Duration) { s.warmed.Store(max(1, int64(took))) }

// observeWarm registers the times of Warm.
func (t *Telemetry) observeWarm(meter metric.Meter) error {
	labels := make([]metric.MeasurementOption, len(t.services))
	for i, s := range t.services {
		labels[i] = metric.WithAttributeSet(s.labels())
	}
	_, err := meter.Float64ObservableGauge("ekiben.service.warm_time", metric.WithUnit("s"),
		metric.WithDescription("Time that the Warm functions of a service took; there is no such series before they have returned"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for i, s := range t.services {
				if took := s.warmed.Load(); took > 0 {
					o.Observe(time.Duration(took).Seconds(), labels[i])
				}
			}
			return nil
		}))
	return err
}

// observeReloads registers the metrics of reloads.
func (t *Telemetry) observeReloads(meter metric.Meter) error {
	reloads, err1 := meter.Int64ObservableCounter("ekiben.config.reloads",
		metric.WithDescription("Times the configuration was read again"), metric.WithUnit("{reload}"))
	successful, err2 := meter.Int64ObservableGauge("ekiben.config.last_reload_successful",
		metric.WithDescription("Whether the last configuration that was read is valid; some of its keys may need a restart"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	success, failure, labels := t.app(attribute.String("result", "success")), t.app(attribute.String("result", "failure")), t.app()
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(reloads, t.Counts.Reloads.Load(), success)
		o.ObserveInt64(reloads, t.Counts.ReloadsFailed.Load(), failure)
		last := int64(1)
		if t.Counts.LastReloadFailed.Load() {
			last = 0
		}
		o.ObserveInt64(successful, last, labels)
		return nil
	}, reloads, successful)
	return err
}

// observeScrapes registers the number of incomplete scrapes.
func (t *Telemetry) observeScrapes(meter metric.Meter) error {
	labels := t.app()
	_, err := meter.Int64ObservableCounter("ekiben.scrape.errors",
		metric.WithDescription("Metric families left out of a scrape, and callbacks that failed"), metric.WithUnit("{error}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.Exporter.ScrapeErrors(), labels)
			return nil
		}))
	return err
}
