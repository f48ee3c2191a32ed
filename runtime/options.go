package runtime

import (
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/tasks"
)

// Option changes how [New] makes an app.
type Option interface{ applyApp(*options) }

// options has the settings that the options of New make.
type options struct {
	config   config.Config
	source   *config.Source
	logger   *slog.Logger
	provider metric.MeterProvider
	readers  []sdkmetric.Reader
	tracer   trace.TracerProvider
	tasks    tasks.Store
}

type optionFunc func(*options)

func (f optionFunc) applyApp(o *options) { f(o) }

// WithConfig sets the configuration, of which the app keeps a copy. Start from
// [config.Default] and set fields: the zero Config is an error. Default:
// [config.Default].
func WithConfig(cfg config.Config) Option {
	cfg = cfg.Clone()
	return optionFunc(func(o *options) { o.config = cfg })
}

// WithSource sets the files, variables and flags that override [WithConfig].
// [App.Run] reads them again when a file changes, and [App.Reload] when it is
// called. Default: nothing is read.
func WithSource(source config.Source) Option {
	return optionFunc(func(o *options) { o.source = &source })
}

// WithLogger sets the logger of the app: for errors, the access log, start and
// end. Its own level and format apply, not those of the configuration. Requests wait for
// its handler, which must not block. Default and meaning of nil: standard error, in the
// format of logging.format; requests do not wait for its reader, see [config.Logging].
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(o *options) { o.logger = logger })
}

// WithMeterProvider records all metrics, except those of metrics.go_runtime, with a
// provider that you build and shut down. Shut it down after the app: its last push
// then has the last values of the app. Give each app its own, because the provider
// keeps reading an app that was shut down. For BentoML's names and boundaries, build it
// with the views that [github.com/ekiben-serving/ekiben/views.BentoML] returns.
// /metrics is then 404, because the readers of that provider expose the metrics, and
// otlp cannot push them. Default and meaning of nil: the app makes its own provider.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return optionFunc(func(o *options) { o.provider = provider })
}

// WithReaders adds readers to the app's own provider, in addition to /metrics: a
// periodic push, a manual reader in a test. With [WithMeterProvider] it is an
// error, and so are nil and a reader that another app or provider has.
//
// With metrics.duration.native, boundaries in metrics.endpoints, or services with
// different max_batch_size, a reader sees scopes with attributes whose names begin with
// "ekiben.", and native durations beside those with boundaries. /metrics and the pushes
// of otlp have neither.
func WithReaders(readers ...sdkmetric.Reader) Option {
	return optionFunc(func(o *options) { o.readers = append(o.readers, readers...) })
}

// WithTracerProvider traces requests with a provider that you build and shut down,
// even if tracing.enabled is false. Its own sampler and exporters apply; of the
// keys below tracing, only propagators, trust_incoming and excluded_urls apply.
// Default and meaning of nil: the app makes its own provider if tracing.enabled is
// true, else nothing is traced, at no cost.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return optionFunc(func(o *options) { o.tracer = provider })
}

// WithTaskStore keeps the tasks of [HandleTask] in a store that you make. The app prepares
// and closes it. The keys tasks.store, tasks.path and tasks.dsn then have no effect, and no
// store needs to be imported. Default and meaning of nil: the store that tasks.store names.
func WithTaskStore(store tasks.Store) Option {
	return optionFunc(func(o *options) { o.tasks = store })
}

// check returns an error if two options contradict each other.
func (o *options) check() error {
	if o.provider != nil && len(o.readers) > 0 {
		return errors.New("runtime.WithReaders: has no effect with runtime.WithMeterProvider; give the readers to that provider")
	}
	return nil
}
