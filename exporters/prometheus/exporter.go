package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	client "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Config is the part of the configuration key metrics that concerns /metrics.
// The zero value is valid and means classic text only; [DefaultConfig] returns
// the defaults.
type Config struct {
	// OpenMetrics serves OpenMetrics 1.0, with exemplars, to clients that ask for
	// it. Default true. False: every client gets the classic text.
	OpenMetrics bool `koanf:"openmetrics" doc:"OpenMetrics 1.0 for clients that ask for it. False: always the text format."`
	// ScopeLabels adds otel_scope_name, otel_scope_version,
	// otel_scope_schema_url and the scope's attributes to every series.
	// Default false, because dashboards for BentoML do not aggregate over them.
	ScopeLabels bool `koanf:"scope_labels" doc:"Labels otel_scope_name and the like on every series."`
	// TargetInfo adds the family target_info: one series with the attributes of
	// the resource as labels. Default false.
	TargetInfo bool `koanf:"target_info" doc:"The family target_info, one series with the resource's attributes."`
}

// DefaultConfig returns the defaults: OpenMetrics on, ScopeLabels and TargetInfo
// off.
func DefaultConfig() Config { return Config{OpenMetrics: true} }

// Settings are the options of [New] that only code sets, because they are not a user's
// choice. The zero value is valid.
type Settings struct {
	// Native serves protobuf to clients that ask for it, as Prometheus does to
	// scrape native histograms. Default false, because Prometheus 2 stores le="1"
	// from protobuf where the text has le="1.0".
	Native bool
	// Logger logs each distinct error once: a broken family, a failed scrape.
	// Default nil: nothing is logged.
	Logger *slog.Logger
}

// Exporter is a [metric.Reader] for [metric.WithReader] and an
// [net/http.Handler] for /metrics. The same reader serves [Exporter.Gatherer] and
// pushes that call [Exporter.Collect], so a measurement is recorded only once. Its
// temporality is cumulative. It belongs to one provider; before that provider is built,
// a scrape gets a 503.
//
// Create it with [New]; the zero value does not work. All methods are safe for
// concurrent use.
type Exporter struct {
	metric.Reader

	cfg       Config
	native    bool
	catalogue catalogue
	report    report
	free      chan *scratch
	shared    sharing
}

// New returns an exporter. It registers nothing globally and starts nothing. Every cfg
// and set is valid. Give the exporter to one provider, with [metric.WithReader].
func New(cfg Config, set Settings) *Exporter {
	logger := set.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	e := &Exporter{
		Reader:    metric.NewManualReader(),
		cfg:       cfg,
		native:    set.Native,
		catalogue: newCatalogue(),
		report:    report{logger: logger, said: map[string]struct{}{}},
		free:      make(chan *scratch, 1),
	}
	e.shared.render = e.render
	return e
}

// Collect reads the metrics into rm, as [metric.Reader] describes. A panic of a metric
// callback is an error: rm is then unchanged, since the SDK runs all callbacks before it
// aggregates. If a callback returns an error, rm has the other metrics.
func (e *Exporter) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errCallbackPanic, r)
		}
	}()
	return e.Reader.Collect(ctx, rm)
}

// Gatherer returns the families for client_golang: for promhttp, or to join
// several exporters. They also have the start time of counters and histograms, and
// native histograms, which the text formats cannot express. Each Gather collects
// again. A broken family is left out; only a failed collection is an error.
func (e *Exporter) Gatherer() client.Gatherer { return gatherer{e} }

// Shutdown shuts the reader down and cancels the context of a running collection.
// Every waiting scrape gets a 503. Shutdown does not wait for a callback that ignores
// its context.
func (e *Exporter) Shutdown(ctx context.Context) error {
	defer e.shared.close()
	return e.Reader.Shutdown(ctx)
}

// errCallbackPanic is wrapped by the error of a collection whose callback
// panicked.
var errCallbackPanic = errors.New("a metric callback panicked")

// Reserve gives a family the next place on /metrics. Reserved families come
// first, in the order of the calls; the others follow in the order of their
// first collection, and by name within one collection. If two families
// conflict, the earlier one stays.
//
// family is a name as [FamilyName] returns it. A second call with one name has
// no effect. A family that was exported before moves to its reserved place.
func (e *Exporter) Reserve(family string) { e.catalogue.reserve(family) }

// ScrapeErrors returns the number of broken families, failed callbacks and failed
// collections so far. A family that stays broken counts once for each collection.
// A collection that takes longer than its scrapes can wait counts once. Scrapes that
// end because their client left or the provider was shut down do not count.
func (e *Exporter) ScrapeErrors() int64 { return e.report.count.Load() }
