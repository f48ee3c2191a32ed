// Package instrument makes metrics with typed labels, and summaries, on top of
// OpenTelemetry's metric API:
//
//	type outcome struct {
//		Status string `label:"status"`
//	}
//	requests, err := instrument.NewCounter[outcome](app.Meter(), "requests_total")
//	requests.Add(ctx, outcome{Status: "success"}, 1)
//
// The type parameter of an instrument is a struct, its label set. Each field is
// one label, named by the tag label or by the field's name in lower case. A
// field is a string, a bool or an integer. In OTLP, a uint or uint64 is a string,
// since OTLP's integers end at 1<<63 - 1. An instrument without labels has the
// type parameter struct{}.
//
// Recording with a known label set allocates nothing. The label sets of one
// metric are bounded, see [MaxSeries]: all sets beyond the bound share one series
// with the label otel_metric_overflow="true".
//
// All instruments are safe for concurrent use. An instrument that a constructor
// returns together with an error records nothing. On the meter of a service, Run and
// Check of the app return the error as well, so a declaration may ignore it; an
// app that runs already continues. The instruments are thin wrappers: plain
// instruments of the same meter work as well. Read on: docs/custom-metrics.md.
package instrument

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// none makes the instruments that record nothing.
var none noop.Meter

// Counter is a value that only increases.
type Counter[L comparable] struct {
	real metric.Float64Counter
	sets *labelSets[L, metric.AddOption]
}

// NewCounter makes a counter. /metrics shows it with the suffix _total, which
// the name may have already.
//
// Errors: a name that is illegal or taken; a label set that is not a struct of
// strings, bools and integers; an illegal label name; a nil option.
func NewCounter[L comparable](meter metric.Meter, name string, opts ...Option) (*Counter[L], error) {
	s := apply(opts)
	sets, err := newAddSets[L](s.limit)
	meter, err = usable(meter, "counter", name, errors.Join(s.err, err))
	real, made := meter.Float64Counter(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	if made != nil {
		real, _ = none.Float64Counter(name)
	}
	return &Counter[L]{real, sets}, first(err, made)
}

// Add adds v. A negative v or NaN is dropped, because Prometheus takes a lower value
// for a restart. On the meter of a service, the first dropped value of a metric is
// logged, and ekiben_metrics_invalid_total counts all.
func (c *Counter[L]) Add(ctx context.Context, labels L, v float64) {
	switch {
	case !c.real.Enabled(ctx):
	case v >= 0:
		c.real.Add(ctx, v, c.sets.of(labels)...)
	default: // without labels, so that it makes no series
		if ours, ok := c.real.(interface{ Drop(float64) }); ok {
			ours.Drop(v)
		}
	}
}

// UpDownCounter is a value that increases and decreases, such as the number of
// requests in progress.
type UpDownCounter[L comparable] struct {
	real metric.Float64UpDownCounter
	sets *labelSets[L, metric.AddOption]
}

// NewUpDownCounter makes an up-down counter, which /metrics shows as a gauge.
// Errors: those of [NewCounter].
func NewUpDownCounter[L comparable](meter metric.Meter, name string, opts ...Option) (*UpDownCounter[L], error) {
	s := apply(opts)
	sets, err := newAddSets[L](s.limit)
	meter, err = usable(meter, "up-down counter", name, errors.Join(s.err, err))
	real, made := meter.Float64UpDownCounter(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	if made != nil {
		real, _ = none.Float64UpDownCounter(name)
	}
	return &UpDownCounter[L]{real, sets}, first(err, made)
}

// Add adds v, which may be negative.
func (c *UpDownCounter[L]) Add(ctx context.Context, labels L, v float64) {
	if c.real.Enabled(ctx) {
		c.real.Add(ctx, v, c.sets.of(labels)...)
	}
}

// Gauge is a value that is set, such as a temperature.
type Gauge[L comparable] struct {
	real metric.Float64Gauge
	sets *labelSets[L, metric.RecordOption]
}

// NewGauge makes a gauge. Errors: those of [NewCounter].
func NewGauge[L comparable](meter metric.Meter, name string, opts ...Option) (*Gauge[L], error) {
	s := apply(opts)
	sets, err := newRecordSets[L](s.limit)
	meter, err = usable(meter, "gauge", name, errors.Join(s.err, err))
	real, made := meter.Float64Gauge(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	if made != nil {
		real, _ = none.Float64Gauge(name)
	}
	return &Gauge[L]{real, sets}, first(err, made)
}

// Set sets the gauge to v.
func (g *Gauge[L]) Set(ctx context.Context, labels L, v float64) {
	if g.real.Enabled(ctx) {
		g.real.Record(ctx, v, g.sets.of(labels)...)
	}
}

// Histogram counts observations in buckets.
type Histogram[L comparable] struct {
	real metric.Float64Histogram
	sets *labelSets[L, metric.RecordOption]
}

// NewHistogram makes a histogram. Errors: those of [NewCounter] and [Buckets].
func NewHistogram[L comparable](meter metric.Meter, name string, opts ...HistogramOption) (*Histogram[L], error) {
	s := applyHistogram(opts)
	sets, err := newRecordSets[L](s.limit)
	bounds, wrong := s.boundaries()
	meter, err = usable(meter, "histogram", name, errors.Join(s.err, wrong, err))
	options := []metric.Float64HistogramOption{metric.WithDescription(s.help), metric.WithUnit(s.unit)}
	if bounds != nil {
		options = append(options, metric.WithExplicitBucketBoundaries(bounds...))
	}
	real, made := meter.Float64Histogram(name, options...)
	if made != nil {
		real, _ = none.Float64Histogram(name)
	}
	return &Histogram[L]{real, sets}, first(err, made)
}

// Observe counts v. NaN makes the sum NaN, and a negative value lowers it, as in
// Prometheus' client for Go.
func (h *Histogram[L]) Observe(ctx context.Context, labels L, v float64) {
	if h.real.Enabled(ctx) {
		h.real.Record(ctx, v, h.sets.of(labels)...)
	}
}

// Summary keeps the number and the sum of its observations, without quantiles,
// as a Summary of Prometheus' client for Python does.
type Summary[L comparable] struct{ histogram Histogram[L] }

// SummaryMeter is a meter that can make summaries, which OpenTelemetry does not
// have. The Meter of a runtime.Service is one.
type SummaryMeter interface {
	metric.Meter
	// SummaryMeter returns a meter whose histograms have no boundaries.
	SummaryMeter() metric.Meter
}

// NewSummary makes a summary. meter must be a [SummaryMeter]; any other is an
// error. Other errors: those of [NewCounter].
func NewSummary[L comparable](meter metric.Meter, name string, opts ...Option) (*Summary[L], error) {
	s := apply(opts)
	sets, err := newRecordSets[L](s.limit)
	source, ok := meter.(SummaryMeter)
	if !ok && err == nil {
		err = fmt.Errorf("must be made with the Meter() of a service, found a %T", meter)
	}
	meter, err = usable(meter, "summary", name, errors.Join(s.err, err))
	if err == nil {
		meter = source.SummaryMeter()
	}
	real, made := meter.Float64Histogram(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	if made != nil {
		real, _ = none.Float64Histogram(name)
	}
	return &Summary[L]{Histogram[L]{real, sets}}, first(err, made)
}

// Observe counts v. NaN and negative values count as in a [Histogram].
func (s *Summary[L]) Observe(ctx context.Context, labels L, v float64) {
	s.histogram.Observe(ctx, labels, v)
}

// usable returns a meter that records nothing if there is an error. It adds the name of
// the instrument to the error, which it reports to the meter of a service.
func usable(meter metric.Meter, kind, name string, err error) (metric.Meter, error) {
	if meter == nil && err == nil {
		err = errors.New("the meter must not be nil; use that of a service")
	}
	if err == nil {
		return meter, nil
	}
	err = fmt.Errorf("%s %q: %w", kind, name, err)
	if service, ok := meter.(interface{ Refuse(err error) }); ok {
		service.Refuse(err)
	}
	return none, err
}

// first returns the first error. That of the meter has the instrument's name already.
func first(err, meters error) error {
	if err != nil {
		return err
	}
	return meters
}

func newAddSets[L comparable](limit int) (*labelSets[L, metric.AddOption], error) {
	return newLabelSets[L](limit, func(set attribute.Set) metric.AddOption { return metric.WithAttributeSet(set) })
}

func newRecordSets[L comparable](limit int) (*labelSets[L, metric.RecordOption], error) {
	return newLabelSets[L](limit, func(set attribute.Set) metric.RecordOption { return metric.WithAttributeSet(set) })
}
