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

// Config is what a user writes under metrics: about the page. Its zero value
// is valid and means classic text only; [DefaultConfig] has the defaults.
type Config struct {
	// OpenMetrics lets a client that asks for OpenMetrics 1.0 have it, with
	// exemplars. Default true. False: every client gets the classic text.
	OpenMetrics bool `koanf:"openmetrics" doc:"OpenMetrics 1.0 for clients that ask for it. False: always the text format."`
	// ScopeLabels adds otel_scope_name, otel_scope_version,
	// otel_scope_schema_url and the scope's attributes to every series.
	// Default false: dashboards written for BentoML sum over none of them.
	ScopeLabels bool `koanf:"scope_labels" doc:"Labels otel_scope_name and the like on every series."`
	// TargetInfo adds the family target_info, one series that has the
	// resource's attributes as labels. Default false.
	TargetInfo bool `koanf:"target_info" doc:"The family target_info, one series with the resource's attributes."`
}

// DefaultConfig returns what is in force where a user wrote nothing:
// OpenMetrics on, ScopeLabels and TargetInfo off.
func DefaultConfig() Config { return Config{OpenMetrics: true} }

// Settings is what code passes to [New]. Its zero value is valid.
type Settings struct {
	// Native lets a client that asks for protobuf have it, as Prometheus does if
	// it scrapes native histograms. Default false: Prometheus 2 would store
	// le="1" of a protobuf page, where the text says le="1.0".
	Native bool
	// Logger is told of each broken family and each distinct failure of a
	// scrape, once. Default and meaning of nil: nothing is logged.
	Logger *slog.Logger
}

// Exporter is a [metric.Reader], to be given to metric.WithReader, and the
// page over it, an [net/http.Handler]. One reader, and one cost of recording,
// feeds the page, [Exporter.Gatherer] and any push loop that calls
// [Exporter.Collect]. Its temporality is cumulative. All methods are safe for
// concurrent use. Create it with [New]; the zero value does not work.
type Exporter struct {
	metric.Reader

	cfg       Config
	native    bool
	catalogue catalogue
	report    report
	free      chan *scratch
	shared    sharing
}

// New returns an exporter. Nothing is registered globally.
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

// Collect is the reader's, except that a panic in an observable's callback is
// an error here: it would end the process of whoever scrapes or pushes. After
// such an error rm has nothing new in it, since the SDK runs every callback
// before it aggregates anything.
func (e *Exporter) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errCallbackPanic, r)
		}
	}()
	return e.Reader.Collect(ctx, rm)
}

// Gatherer returns the page's families for client_golang: for promhttp, or for
// a registry that joins several. They hold what the text has no place for, too:
// when a counter or a histogram began to count, and the exponential form of a
// histogram as a native one. Each Gather collects.
func (e *Exporter) Gatherer() client.Gatherer { return gatherer{e} }

// Shutdown shuts the reader down, ends the context of a collection that runs,
// and ends the waiting of every scrape, which gets a 503. It does not wait for a
// callback that ignores its context.
func (e *Exporter) Shutdown(ctx context.Context) error {
	defer e.shared.close()
	return e.Reader.Shutdown(ctx)
}

// errCallbackPanic is wrapped by what a scrape returns when an observable's
// callback panicked.
var errCallbackPanic = errors.New("a metric callback panicked")

// Reserve gives the family of that name the next place on the page. Families
// are listed in the order of Reserve calls, then the others in the order in
// which they were first seen, those first seen in one scrape by name; of two
// families in conflict the earlier stays. The name is the one [FamilyName]
// returns. Reserving a name again changes nothing; a family that has been on
// a page already moves to its reserved place.
func (e *Exporter) Reserve(family string) { e.catalogue.reserve(family) }

// ScrapeErrors returns how many broken families and failing callbacks there were
// so far, and pages that could not be made at all. A family that stays broken
// counts once a scrape. A scrape that is refused, or that ends with its client or
// with the service, counts nothing: no page is without a family for it.
func (e *Exporter) ScrapeErrors() int64 { return e.report.count.Load() }
