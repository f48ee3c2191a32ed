// Package instrument adds to OpenTelemetry's metric API what users of
// Prometheus miss there: a Summary, and labels with a type.
//
// A struct is the label set, one field a label; its name is the tag label, or
// the field's name in lower case:
//
//	type outcome struct {
//		Status string `label:"status"`
//	}
//	requests, err := instrument.NewCounter[outcome](svc.Meter(), "summary_requests_total",
//		instrument.Help("Total number of summarization requests"))
//	…
//	requests.Add(ctx, outcome{Status: "success"}, 1)
//
// A label is a string, a bool or an integer, which is written in full; in OTLP a
// uint or uint64 is a string, since its integers end at 1<<63 - 1.
//
// Recording with a label set that was seen before allocates nothing. The sets
// of one metric are bounded (see [MaxSeries]); what comes after them is summed
// in one series labelled otel_metric_overflow="true". Plain instruments of
// svc.Meter() remain the main road; these are thin wrappers over them.
//
// What is returned with an error is an instrument too, which records nothing: a
// program that logs the error may go on.
package instrument

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// gate is shut while there is nothing to record to: before a service is bound,
// and for ever when metrics are off. Looking at it is all that recording then
// costs.
type gate struct{ recording *atomic.Bool }

// shut is the gate of what could not be made.
var shut = gate{new(atomic.Bool)}

// gateOf finds the gate of a service's meter. Other meters have none, and
// decide for themselves. err is what making the instrument returned.
func gateOf(meter metric.Meter, err error) gate {
	if err != nil {
		return shut
	}
	if m, ok := meter.(interface{ Recording() *atomic.Bool }); ok {
		return gate{m.Recording()}
	}
	return gate{}
}

func (g gate) open() bool { return g.recording == nil || g.recording.Load() }

type settings struct {
	help    string
	unit    string
	buckets []float64
	limit   int
}

// Option describes a metric where it is made.
type Option func(*settings)

// Help sets the text after # HELP. Default: none.
func Help(text string) Option { return func(s *settings) { s.help = text } }

// Unit sets the unit, in UCUM ("s", "By"). The metric's name must then end with
// what Prometheus makes of it ("_seconds", "_bytes"). Default: none.
func Unit(unit string) Option { return func(s *settings) { s.unit = unit } }

// Buckets sets a histogram's boundaries, in the metric's unit, ascending. A
// trailing +Inf may be written or left out. Default: OpenTelemetry's (0, 5, 10,
// 25, … 10000), which suit few things.
func Buckets(boundaries ...float64) Option {
	return func(s *settings) { s.buckets = boundaries }
}

// MaxSeries bounds the label sets of a metric. Default: [DefaultMaxSeries].
// 0 means no bound of its own; metrics.max_series still applies.
func MaxSeries(n int) Option { return func(s *settings) { s.limit = n } }

func apply(opts []Option) settings {
	s := settings{limit: DefaultMaxSeries}
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// boundaries returns the histogram's boundaries without a trailing +Inf.
func (s settings) boundaries() ([]float64, error) {
	bounds := s.buckets
	if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], 1) {
		bounds = bounds[:n-1]
	}
	for i, b := range bounds {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return nil, fmt.Errorf("buckets[%d]: must be a finite number, found %v", i, b)
		}
		if i > 0 && b <= bounds[i-1] {
			return nil, fmt.Errorf("buckets[%d]: must be greater than the boundary before it (%v), found %v", i, bounds[i-1], b)
		}
	}
	return bounds, nil
}

// Counter only goes up.
type Counter[L comparable] struct {
	gate gate
	real metric.Float64Counter
	sets *labelSets[L, metric.AddOption]
}

// NewCounter makes a counter. A name without _total gains it on the page.
// Errors: an illegal or taken name, a label set that is no struct of strings,
// bools and integers, an illegal label.
func NewCounter[L comparable](meter metric.Meter, name string, opts ...Option) (*Counter[L], error) {
	s := apply(opts)
	sets, err := newLabelSets[L](s.limit, func(set attribute.Set) metric.AddOption { return metric.WithAttributeSet(set) })
	if err != nil {
		return &Counter[L]{gate: shut}, fmt.Errorf("counter %q: %w", name, err)
	}
	real, err := meter.Float64Counter(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	return &Counter[L]{gate: gateOf(meter, err), real: real, sets: sets}, err
}

// Add adds v. What is negative or NaN is dropped, without a word: a counter that
// went down would be a restart to Prometheus.
func (c *Counter[L]) Add(ctx context.Context, labels L, v float64) {
	if v >= 0 && c.gate.open() {
		c.real.Add(ctx, v, c.sets.of(labels)...)
	}
}

// UpDownCounter goes up and down by differences: things in progress.
type UpDownCounter[L comparable] struct {
	gate gate
	real metric.Float64UpDownCounter
	sets *labelSets[L, metric.AddOption]
}

// NewUpDownCounter makes an up-down counter, a gauge on the page. Errors as
// [NewCounter].
func NewUpDownCounter[L comparable](meter metric.Meter, name string, opts ...Option) (*UpDownCounter[L], error) {
	s := apply(opts)
	sets, err := newLabelSets[L](s.limit, func(set attribute.Set) metric.AddOption { return metric.WithAttributeSet(set) })
	if err != nil {
		return &UpDownCounter[L]{gate: shut}, fmt.Errorf("up-down counter %q: %w", name, err)
	}
	real, err := meter.Float64UpDownCounter(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	return &UpDownCounter[L]{gate: gateOf(meter, err), real: real, sets: sets}, err
}

// Add adds v, which may be negative.
func (c *UpDownCounter[L]) Add(ctx context.Context, labels L, v float64) {
	if c.gate.open() {
		c.real.Add(ctx, v, c.sets.of(labels)...)
	}
}

// Gauge is a value that is set: a queue's depth, a temperature.
type Gauge[L comparable] struct {
	gate gate
	real metric.Float64Gauge
	sets *labelSets[L, metric.RecordOption]
}

// NewGauge makes a gauge. Errors as [NewCounter].
func NewGauge[L comparable](meter metric.Meter, name string, opts ...Option) (*Gauge[L], error) {
	s := apply(opts)
	sets, err := newRecordSets[L](s.limit)
	if err != nil {
		return &Gauge[L]{gate: shut}, fmt.Errorf("gauge %q: %w", name, err)
	}
	real, err := meter.Float64Gauge(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	return &Gauge[L]{gate: gateOf(meter, err), real: real, sets: sets}, err
}

// Set makes v the gauge's value.
func (g *Gauge[L]) Set(ctx context.Context, labels L, v float64) {
	if g.gate.open() {
		g.real.Record(ctx, v, g.sets.of(labels)...)
	}
}

// Histogram counts observations into buckets.
type Histogram[L comparable] struct {
	gate gate
	real metric.Float64Histogram
	sets *labelSets[L, metric.RecordOption]
}

// NewHistogram makes a histogram. Errors as [NewCounter], and boundaries that
// are not finite or do not increase.
func NewHistogram[L comparable](meter metric.Meter, name string, opts ...Option) (*Histogram[L], error) {
	s := apply(opts)
	bounds, boundsErr := s.boundaries()
	sets, err := newRecordSets[L](s.limit)
	if err := errors.Join(boundsErr, err); err != nil {
		return &Histogram[L]{gate: shut}, fmt.Errorf("histogram %q: %w", name, err)
	}
	options := []metric.Float64HistogramOption{metric.WithDescription(s.help), metric.WithUnit(s.unit)}
	if len(bounds) > 0 {
		options = append(options, metric.WithExplicitBucketBoundaries(bounds...))
	}
	real, err := meter.Float64Histogram(name, options...)
	return &Histogram[L]{gate: gateOf(meter, err), real: real, sets: sets}, err
}

// Observe counts v in.
func (h *Histogram[L]) Observe(ctx context.Context, labels L, v float64) {
	if h.gate.open() {
		h.real.Record(ctx, v, h.sets.of(labels)...)
	}
}

// Summary keeps the number and the sum of its observations, which is what a
// Summary of Prometheus's Python client keeps: _count and _sum, no quantiles.
type Summary[L comparable] struct {
	gate gate
	real metric.Float64Histogram
	sets *labelSets[L, metric.RecordOption]
}

// NewSummary makes a summary. OpenTelemetry has none, so it is a histogram
// without boundaries: meter must be one of a runtime.Service, which knows how
// to leave them out, or anything with a method SummaryMeter() metric.Meter.
// Other errors as [NewCounter].
func NewSummary[L comparable](meter metric.Meter, name string, opts ...Option) (*Summary[L], error) {
	s := apply(opts)
	sets, err := newRecordSets[L](s.limit)
	if err != nil {
		return &Summary[L]{gate: shut}, fmt.Errorf("summary %q: %w", name, err)
	}
	source, ok := meter.(interface{ SummaryMeter() metric.Meter })
	if !ok {
		return &Summary[L]{gate: shut}, fmt.Errorf("summary %q: must be made with the Meter() of a service, found a %T", name, meter)
	}
	real, err := source.SummaryMeter().Float64Histogram(name, metric.WithDescription(s.help), metric.WithUnit(s.unit))
	return &Summary[L]{gate: gateOf(meter, err), real: real, sets: sets}, err
}

// Observe counts v in.
func (s *Summary[L]) Observe(ctx context.Context, labels L, v float64) {
	if s.gate.open() {
		s.real.Record(ctx, v, s.sets.of(labels)...)
	}
}

func newRecordSets[L comparable](limit int) (*labelSets[L, metric.RecordOption], error) {
	return newLabelSets[L](limit, func(set attribute.Set) metric.RecordOption { return metric.WithAttributeSet(set) })
}
