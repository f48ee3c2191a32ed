// Package runtime serves functions over HTTP as BentoML serves them: the same
// wire, the same metrics, the same limits.
//
// A [Service] declares APIs with [Handle]. [New] binds a service, and the
// services it depends on, to a configuration and one OpenTelemetry
// MeterProvider; [Runtime.Run] serves it until its context ends, and [Run] is
// both in one:
//
//	svc := runtime.NewService("Echo")
//	runtime.Handle(svc, "echo", func(ctx context.Context, in Echo) (string, error) {
//		return in.Text, nil
//	})
//	err := runtime.Run(ctx, svc)
package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/watch"
	"github.com/ekiben-serving/ekiben/views"
)

// Runtime is an app: an entry service and what it depends on, bound to a
// configuration. It is an [http.Handler].
type Runtime struct {
	base     config.Config  // what code gave
	source   *config.Source // what is laid over it
	app      identity
	entry    *Service
	services []*Service
	logger   *slog.Logger
	terminal io.Writer // with a person at it; nil: there is none, or the log is for machines
	tracer   trace.TracerProvider
	readers  []sdkmetric.Reader

	current   atomic.Pointer[settings]
	files     atomic.Pointer[[]string] // that current was read from
	read      watch.Fingerprint        // of files at start
	reloading sync.Mutex
	level     slog.LevelVar
	sampler   *otlp.Sampler
	pushes    pushes
	provider  metric.MeterProvider
	exporter  *prometheus.Exporter
	closers   [stages][]closer
	shutdown  ending
	telemetry *telemetry
	routes    *routes
	handler   http.Handler
	access    *accessLog
	secured   *tls.Config // nil: plain HTTP
	draining  atomic.Bool
	cutting   atomic.Bool // the grace is over
	probed    probed
	dry       bool // nothing is sent
}

// Option changes how a runtime is built.
type Option func(*Runtime)

// WithConfig sets the configuration. Default: [config.Default].
func WithConfig(cfg config.Config) Option {
	return func(rt *Runtime) { rt.base = cfg }
}

// WithLogger sets where errors, the access log and what happens at start and
// end are logged. Default and meaning of nil: standard error, in the format
// of logging.format. A logger given here decides about level and format itself.
func WithLogger(logger *slog.Logger) Option {
	return func(rt *Runtime) { rt.logger = logger }
}

// WithMeterProvider records everything on a provider that somebody else built
// and will shut down. /metrics is then 404: the page belongs to the provider's
// readers. To have BentoML's names and boundaries, build it with the views of
// [views.BentoML]. Default and meaning of nil: a provider of our own.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(rt *Runtime) { rt.provider = provider }
}

// WithReader adds readers to the runtime's own provider, beside the page: a
// periodic push, a manual reader in a test. Together with [WithMeterProvider] it
// is an error of [New]: give that provider its readers.
func WithReader(readers ...sdkmetric.Reader) Option {
	return func(rt *Runtime) { rt.readers = append(rt.readers, readers...) }
}

// WithTracerProvider traces requests on a provider that somebody else built and
// will shut down, whatever tracing.enabled says. It samples and sends as it was
// built; of the keys below tracing: propagators, trust_incoming and
// excluded_urls hold for it. Default and meaning of nil: a provider of our own
// if tracing.enabled says so, or else no tracing, and no cost.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(rt *Runtime) { rt.tracer = provider }
}

// New binds entry and everything it depends on. A service is bound once; a
// second New, or one after the service's first request, is an error. All that
// is wrong with declarations and configuration is returned at once.
func New(entry *Service, opts ...Option) (*Runtime, error) {
	err := fmt.Errorf("service %q: already bound to a runtime", entry.name)
	var rt *Runtime
	entry.bind.Do(func() {
		rt, err = newRuntime(entry, opts...)
		entry.err = err
	})
	return rt, err
}

// Check returns what [New] would refuse: declarations, the configuration, files
// that it names. It listens nowhere and sends nothing. The service is spent: it
// can be bound no more.
func Check(entry *Service, opts ...Option) error {
	rt, err := New(entry, append(slices.Clone(opts), func(rt *Runtime) { rt.dry = true })...)
	if err != nil {
		return err
	}
	return rt.Shutdown(context.Background())
}

func newRuntime(entry *Service, opts ...Option) (*Runtime, error) {
	rt := &Runtime{base: config.Default(), entry: entry, services: entry.withDependencies()}
	for _, opt := range opts {
		opt(rt)
	}
	notices, err := rt.configure()
	if err := errors.Join(rt.check(), err); err != nil {
		return nil, err
	}
	rt.app = identity{name: legalText(rt.cfg().App.Name), version: legalText(rt.cfg().App.Version)}
	if rt.app.name == "" {
		rt.app.name = entry.name
	}
	if rt.app.version == "" {
		rt.app.version = "not available"
	}
	if rt.logger == nil {
		rt.logger = newLogger(rt.cfg().Logging, &rt.level, entry.name)
		if rt.cfg().Logging.Format == "text" {
			rt.terminal = person()
		}
	}
	rt.notify(notices)
	rt.access = newAccessLog(rt.cfg().Logging, rt.logger)
	secured, err := newTLS(rt.cfg().SSL)
	if err := errors.Join(err, rt.trace(), rt.measure()); err != nil {
		return nil, errors.Join(err, rt.Shutdown(context.Background()))
	}
	rt.secured = secured
	rt.bindServices()
	routes, err := newRoutes(rt)
	if err != nil {
		return nil, errors.Join(err, rt.Shutdown(context.Background()))
	}
	rt.routes = routes
	rt.handler = rt.traced(http.HandlerFunc(rt.serveForeign))
	return rt, nil
}

// configure puts the configuration into force that the options ask for, and
// returns what to log of it.
func (rt *Runtime) configure() ([]config.Notice, error) {
	cfg, notices := rt.base, []config.Notice(nil)
	if rt.source == nil {
		if err := errors.Join(rt.names().Check(cfg), cfg.Validate()); err != nil {
			return nil, err
		}
	} else {
		loaded, err := rt.load()
		if err != nil {
			return nil, err
		}
		cfg, notices = loaded.Config, loaded.Notices
		rt.files.Store(&loaded.Files)
		rt.read = watch.Of(loaded.Files)
	}
	rt.apply(cfg)
	return notices, nil
}

// check returns what is wrong with the options and declarations.
func (rt *Runtime) check() error {
	var errs []error
	if rt.provider != nil && len(rt.readers) > 0 {
		errs = append(errs, errors.New("runtime.WithReader: together with runtime.WithMeterProvider its readers would read nothing; give them to that provider"))
	}
	names := map[string]bool{}
	for _, svc := range rt.services {
		errs = append(errs, svc.errs...)
		if svc.bound.Load() != nil {
			errs = append(errs, fmt.Errorf("service %q: already bound to a runtime", svc.name))
		}
		if names[svc.name] {
			errs = append(errs, fmt.Errorf("service %q: two services have this name", svc.name))
		}
		names[svc.name] = true
	}
	return errors.Join(append(errs, duplicateMetrics(rt.services))...)
}

// measure builds the provider, unless it was given, and the default metrics.
func (rt *Runtime) measure() error {
	if !rt.cfg().Metrics.Enabled {
		return nil
	}
	if rt.provider == nil {
		if err := rt.newProvider(); err != nil {
			return err
		}
	}
	telemetry, err := newTelemetry(rt.provider, rt.exporter != nil, rt.Config(), rt.app, rt.services)
	if err != nil {
		return err
	}
	rt.telemetry = telemetry
	if err := rt.pushes.observe(rt.provider.Meter(ownScope)); err != nil {
		return err
	}
	if rt.source != nil {
		if err := telemetry.observeReloads(rt.provider.Meter(ownScope)); err != nil {
			return err
		}
	}
	for _, svc := range rt.services {
		if err := svc.meter.without(takenBy(rt.cfg().Metrics)); err != nil {
			return fmt.Errorf("service %q: %w", svc.name, err)
		}
		if err := svc.meter.bind(rt.provider); err != nil {
			return fmt.Errorf("service %q: %w", svc.name, err)
		}
	}
	return nil
}

func (rt *Runtime) newProvider() error {
	bento, err := views.BentoML(rt.cfg().Metrics.Views)
	if err != nil {
		return err
	}
	exporter := prometheus.New(rt.cfg().Metrics.Page, prometheus.Settings{Logger: rt.logger, Native: rt.cfg().Metrics.Views.Duration.Native})
	rt.reserve(exporter)
	options := []sdkmetric.Option{
		sdkmetric.WithReader(exporter),
		sdkmetric.WithView(bento...),
		sdkmetric.WithCardinalityLimit(rt.cfg().Metrics.MaxSeries),
	}
	var from otlp.Collector = exporter
	if reader := rt.deltas(); reader != nil {
		options = append(options, sdkmetric.WithReader(reader))
		from = reader
	}
	for _, reader := range rt.readers {
		options = append(options, sdkmetric.WithReader(reader))
	}
	res, err := rt.resource()
	if err != nil {
		return err
	}
	provider := sdkmetric.NewMeterProvider(append(options, sdkmetric.WithResource(res))...)
	rt.provider, rt.exporter = provider, exporter
	rt.atShutdown(closeProviders, "metrics", provider.Shutdown)
	if err := rt.push(public{from}); err != nil {
		return err
	}
	if rt.cfg().Metrics.GoRuntime {
		if err := goruntime.Start(goruntime.WithMeterProvider(provider)); err != nil {
			return err
		}
	}
	return observeScrapes(provider.Meter(ownScope), exporter)
}

// defaultFamilies are BentoML's, in its order.
var defaultFamilies = []string{views.RequestInProgress, views.RequestTotal, views.RequestDuration, views.AdaptiveBatchSize, views.LastRequestTimestamp}

// reserve gives the default metrics the head of the page, and then every
// custom metric its place in the order it was made.
func (rt *Runtime) reserve(exporter *prometheus.Exporter) {
	namespace, _ := views.LegalNamespace(rt.cfg().Metrics.Views.Namespace) // validated before
	for _, name := range defaultFamilies {
		exporter.Reserve(namespace + "_" + name)
	}
	if found := rt.cfg().Metrics.Views.Namespace; rt.source == nil && namespace != found && found != "" { // a source has said so
		rt.logger.Warn("metrics.namespace is not a legal metric name", "found", found, "used", namespace)
	}
	for _, svc := range rt.services {
		for _, family := range svc.meter.families() {
			exporter.Reserve(family)
		}
		svc.meter.onDeclare(exporter.Reserve)
	}
}

func (rt *Runtime) bindServices() {
	for _, svc := range rt.services {
		if svc != rt.entry {
			svc.bind.Do(func() {
				svc.err = fmt.Errorf("service %q: depended on by %q, which is the one to serve", svc.name, rt.entry.name)
			})
		}
		for _, a := range svc.apis {
			if a.queue != nil {
				rt.atShutdown(closeBatches, "batches of "+a.route, a.queue.Close)
			}
			a.server = []string{"BentoML Service/" + rt.entry.name}
			a.resultType = []string{a.codec.contentType()}
		}
		svc.bound.Store(rt) // last: from here on requests may read the rest
	}
}

// Config returns the configuration in force. A reload changes it.
func (rt *Runtime) Config() config.Config { return rt.cfg().Config }

func (rt *Runtime) disconnected() {
	if rt.telemetry != nil {
		rt.telemetry.disconnects.Add(1)
	}
}

// overdue counts functions that outlive their timeout.
func (rt *Runtime) overdue(change int64) {
	if rt.telemetry != nil {
		rt.telemetry.overdue.Add(change)
	}
}
