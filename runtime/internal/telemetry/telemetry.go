// Package telemetry measures an app. It has the MeterProvider, the registry of metric
// names, BentoML's default metrics and the runtime's own metrics. It does not depend
// on HTTP handlers and services.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// Scope is the instrumentation scope of the metrics that BentoML does not have.
const Scope = "github.com/ekiben-serving/ekiben"

// Identity is an app's name and version: the labels service_name and
// service_version.
type Identity struct{ Name, Version string }

// IdentityOf returns the identity of an app, with BentoML's defaults. entry is the name of
// its entry service.
func IdentityOf(app config.App, entry string) Identity {
	id := Identity{Name: LegalLabel(app.Name), Version: LegalLabel(app.Version)}
	if id.Name == "" {
		id.Name = LegalLabel(entry)
	}
	if id.Version == "" {
		id.Version = "not available"
	}
	return id
}

// LegalLabel makes a label value valid UTF-8. With an invalid one, OTLP would send
// nothing at all, and Prometheus would reject the whole scrape.
func LegalLabel(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// attributes returns the labels of every metric of the app.
func (i Identity) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("service_name", i.Name), attribute.String("service_version", i.Version)}
}

// Settings has the arguments of [New].
type Settings struct {
	Config config.Config
	App    Identity
	Logger *slog.Logger
	// Provider is a provider that the user built. Nil: New builds one.
	Provider metric.MeterProvider
	// Readers are added to a provider that New builds.
	Readers []sdkmetric.Reader
	// LogDropped returns how many lines of the log were dropped. Nil: this is not observed.
	LogDropped func() int64
	// Late returns how many clients exceeded a limit of http.limits, by its name. Nil: this
	// is not observed.
	Late func() map[string]int64
}

// Telemetry measures one app.
type Telemetry struct {
	// Provider records all metrics of the app. If metrics.enabled is false, it is
	// OpenTelemetry's noop provider.
	Provider metric.MeterProvider
	// Exporter serves /metrics. Nil: metrics are off, or the user built Provider.
	Exporter *prometheus.Exporter
	// Resource returns the resource of metrics, spans and log lines. It is made, and what it lacks is
	// logged, in the first call.
	Resource func() (*resource.Resource, error)
	Names    *Names
	Counts   Counts

	set      Settings
	delta    sdkmetric.Reader // for delta pushes; nil: pushes read from Exporter
	shutdown func(context.Context) error
	services []*Service
	invalid  *invalidValues
	instruments
}

// instruments are the synchronous instruments that all services share.
type instruments struct {
	durations *durations
	http      *httpInstruments   // nil unless metrics.conventions has http
	genAI     *GenAI             // nil unless metrics.conventions has gen_ai
	rpc       *RPC               // nil unless metrics.conventions has rpc
	batches   *batchInstruments  // nil unless an API is batchable
	streams   *streamInstruments // nil unless an API streams
	sockets   *socketInstruments // nil unless the app has mounts
	tasks     *taskInstruments   // nil unless an API is a task
	slow      metric.Int64Counter
}

// New builds the provider, unless one is given. It starts no goroutine.
func New(set Settings) (*Telemetry, error) {
	t := &Telemetry{set: set, Provider: set.Provider, shutdown: func(context.Context) error { return nil }, invalid: &invalidValues{logger: set.Logger}}
	t.Resource = sync.OnceValues(func() (*resource.Resource, error) { return newResource(set.Config.App, set.App, set.Logger) })
	cfg := set.Config.Metrics
	switch {
	case !cfg.Enabled:
		t.Provider = noop.NewMeterProvider()
	case t.Provider == nil:
		if err := t.build(); err != nil {
			return nil, err
		}
	}
	var declared func(string)
	if t.Exporter != nil {
		declared = t.Exporter.Reserve
	}
	t.Names = newNames(cfg, declared)
	return t, nil
}

// Off returns a Telemetry that measures nothing.
func Off(set Settings) *Telemetry {
	set.Config.Metrics.Enabled = false
	t, _ := New(set) // with metrics off, it cannot fail
	return t
}

func (t *Telemetry) build() error {
	cfg := t.set.Config.Metrics
	bento, err := views.BentoML(cfg.Views)
	if err != nil {
		return err
	}
	exporter := prometheus.New(cfg.Exposition, prometheus.Settings{Logger: t.set.Logger, Native: cfg.Views.Duration.Native})
	for _, name := range defaultFamilies {
		exporter.Reserve(cfg.Namespace() + "_" + name)
	}
	res, err := t.Resource()
	if err != nil {
		return err
	}
	options := []sdkmetric.Option{
		sdkmetric.WithReader(exporter),
		sdkmetric.WithView(bento...),
		sdkmetric.WithCardinalityLimit(cfg.MaxSeries),
		sdkmetric.WithResource(res),
	}
	if push := t.set.Config.PushMetrics(); push.Enabled && t.set.Config.OTLP.Temporality == "delta" {
		t.delta = sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
		options = append(options, sdkmetric.WithReader(t.delta))
	}
	for i, reader := range t.set.Readers {
		if reader == nil {
			return fmt.Errorf("runtime.WithReaders: readers[%d] must not be nil", i)
		}
		if inUse(reader) {
			return fmt.Errorf("runtime.WithReaders: readers[%d]: must be a new reader, found one that belongs to another app or provider; it would get no metrics of this app", i)
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.Provider, t.Exporter, t.shutdown = provider, exporter, provider.Shutdown
	if cfg.GoRuntime {
		return goruntime.Start(goruntime.WithMeterProvider(labelled{provider, t.app()}))
	}
	return nil
}

// inUse reports whether a provider has the reader, or had it. The SDK would only log
// that, to a global handler.
func inUse(reader sdkmetric.Reader) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nothing is collected
	return !errors.Is(reader.Collect(ctx, &metricdata.ResourceMetrics{}), sdkmetric.ErrReaderNotRegistered)
}

// Namespace returns the prefix of BentoML's metrics.
func (t *Telemetry) Namespace() string { return t.set.Config.Metrics.Namespace() }

// Meter returns the meter for a service's own metrics. It refuses names that are
// used already, and is valid for the life of the app.
func (t *Telemetry) Meter(service string) metric.Meter { return t.newMeter(service) }

// On reports whether anything is measured.
func (t *Telemetry) On() bool { return t.set.Config.Metrics.Enabled }

// Has reports whether metrics.conventions names a convention.
func (t *Telemetry) Has(convention string) bool {
	return t.On() && slices.Contains(t.set.Config.Metrics.Conventions, convention)
}

// GenAI returns what records requests to models, or nil if metrics.conventions lacks
// gen_ai.
func (t *Telemetry) GenAI() *GenAI { return t.genAI }

// RPC returns what records calls of another protocol, or nil if metrics.conventions lacks rpc.
func (t *Telemetry) RPC() *RPC { return t.rpc }

// Pushed returns the collector for pushes: it has each metric once, in scopes without
// internal attributes.
func (t *Telemetry) Pushed() Collector {
	if t.delta != nil {
		return pushed{recovered{t.delta}}
	}
	return pushed{t.Exporter}
}

// Shutdown closes a provider that New built. Nothing is recorded afterwards.
func (t *Telemetry) Shutdown(ctx context.Context) error { return t.shutdown(ctx) }

// Families lists the metrics of the app for the log: the services' own metrics by
// name, the others as patterns.
func (t *Telemetry) Families() []string {
	if !t.On() {
		return nil
	}
	cfg := t.set.Config.Metrics
	var names []string
	if t.Has("bentoml") {
		names = append(names, cfg.Namespace()+"_*")
	}
	if t.Has("http") {
		names = append(names, "http_server_request_duration_seconds")
	}
	if t.Has("gen_ai") {
		names = append(names, "gen_ai_*")
	}
	if t.Has("rpc") {
		names = append(names, rpcFamily)
	}
	names = append(names, t.Names.Families()...)
	if cfg.GoRuntime && t.Exporter != nil { // not with a provider that the user built
		names = append(names, "go_*")
	}
	names = append(names, "ekiben_*")
	if cfg.Exposition.TargetInfo && t.Exporter != nil {
		names = append(names, "target_info")
	}
	return names
}

// Collector collects the metrics for a push.
type Collector interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// recovered is a reader that turns a panic of a callback into an error.
type recovered struct{ sdkmetric.Reader }

// Collect collects once.
func (r recovered) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the callback of a metric panicked: %v", p)
		}
	}()
	return r.Reader.Collect(ctx, rm)
}
