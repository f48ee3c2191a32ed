package telemetry

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

// meter is the meter of a service. It wraps a real meter, registers the names of
// instruments, drops values that a counter must not have, and limits the time of
// callbacks. An instrument returned with an error records nothing.
type meter struct {
	metric.Meter

	service  string
	names    *Names
	invalid  *invalidValues
	warn     bool // of boundaries: no view of a user can change them
	counters *counterNames
	summary  *meter // nil: this is the summary meter
}

func (t *Telemetry) newMeter(service string) *meter {
	m := meter{
		Meter: t.Provider.Meter(service), service: service, names: t.Names,
		invalid: t.invalid, warn: t.Exporter != nil, counters: &counterNames{},
	}
	summary := m
	summary.Meter = scopeattr.SummaryMeter(m.Meter)
	m.summary = &summary
	return &m
}

// SummaryMeter returns a meter whose histograms have no boundaries: they are
// summaries on /metrics. Package instrument calls this method.
func (m *meter) SummaryMeter() metric.Meter {
	if m.summary == nil {
		return m
	}
	return m.summary
}

// Refuse records the error of an instrument that was not made. Package instrument calls
// this method.
func (m *meter) Refuse(err error) { m.names.note(m.service, err) }

// declare registers a name and makes the instrument. If the name is refused, the
// instrument records nothing.
func declare[T any](m *meter, name, unit string, kind sdkmetric.InstrumentKind, make func(metric.Meter) (T, error)) (T, error) {
	word := kindWords[kind]
	if m.summary == nil && kind == sdkmetric.InstrumentKindHistogram {
		word = "summary"
	}
	if err := m.names.add(m.service, name, unit, kind, word); err != nil {
		silent, _ := make(noop.Meter{})
		return silent, err
	}
	made, err := make(m.Meter)
	m.names.note(m.service, err)
	return made, err
}

func (m *meter) Int64Counter(name string, opts ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	unit := metric.NewInt64CounterConfig(opts...).Unit()
	made, err := declare(m, name, unit, sdkmetric.InstrumentKindCounter, func(m metric.Meter) (metric.Int64Counter, error) { return m.Int64Counter(name, opts...) })
	return int64Counter{made, name, m.invalid}, err
}

func (m *meter) Float64Counter(name string, opts ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	unit := metric.NewFloat64CounterConfig(opts...).Unit()
	made, err := declare(m, name, unit, sdkmetric.InstrumentKindCounter, func(m metric.Meter) (metric.Float64Counter, error) { return m.Float64Counter(name, opts...) })
	return float64Counter{made, name, m.invalid}, err
}

func (m *meter) Int64UpDownCounter(name string, opts ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	unit := metric.NewInt64UpDownCounterConfig(opts...).Unit()
	return declare(m, name, unit, sdkmetric.InstrumentKindUpDownCounter, func(m metric.Meter) (metric.Int64UpDownCounter, error) { return m.Int64UpDownCounter(name, opts...) })
}

func (m *meter) Float64UpDownCounter(name string, opts ...metric.Float64UpDownCounterOption) (metric.Float64UpDownCounter, error) {
	unit := metric.NewFloat64UpDownCounterConfig(opts...).Unit()
	made, err := declare(m, name, unit, sdkmetric.InstrumentKindUpDownCounter, func(m metric.Meter) (metric.Float64UpDownCounter, error) {
		return m.Float64UpDownCounter(name, opts...)
	})
	return float64UpDownCounter{made, name, m.invalid}, err
}

func (m *meter) Int64Histogram(name string, opts ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	cfg := metric.NewInt64HistogramConfig(opts...)
	return declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindHistogram, func(real metric.Meter) (metric.Int64Histogram, error) {
		if err := m.checkBoundaries(name, cfg.Unit(), cfg.ExplicitBucketBoundaries()); err != nil {
			return noop.Int64Histogram{}, err
		}
		return real.Int64Histogram(name, opts...)
	})
}

func (m *meter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	cfg := metric.NewFloat64HistogramConfig(opts...)
	return declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindHistogram, func(real metric.Meter) (metric.Float64Histogram, error) {
		if err := m.checkBoundaries(name, cfg.Unit(), cfg.ExplicitBucketBoundaries()); err != nil {
			return noop.Float64Histogram{}, err
		}
		return real.Float64Histogram(name, opts...)
	})
}

func (m *meter) Int64Gauge(name string, opts ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	unit := metric.NewInt64GaugeConfig(opts...).Unit()
	return declare(m, name, unit, sdkmetric.InstrumentKindGauge, func(m metric.Meter) (metric.Int64Gauge, error) { return m.Int64Gauge(name, opts...) })
}

func (m *meter) Float64Gauge(name string, opts ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	unit := metric.NewFloat64GaugeConfig(opts...).Unit()
	return declare(m, name, unit, sdkmetric.InstrumentKindGauge, func(m metric.Meter) (metric.Float64Gauge, error) { return m.Float64Gauge(name, opts...) })
}

// checkBoundaries returns an error for boundaries that no bucket can have. It warns of a
// histogram of seconds that has none: OpenTelemetry's default boundaries are for
// milliseconds. They stay, because a program that moves from OpenTelemetry's SDK expects
// them.
func (m *meter) checkBoundaries(name, unit string, bounds []float64) error {
	if bounds == nil && m.summary != nil && m.warn && (unit == "s" || strings.HasSuffix(name, "_seconds")) {
		m.invalid.logger.Warn("a histogram of seconds has OpenTelemetry's boundaries 0, 5, 10 … 10000, which rarely fit; give it metric.WithExplicitBucketBoundaries, or instrument.Buckets",
			"metric", name, "service", m.service)
	}
	for i, b := range bounds {
		if math.IsNaN(b) || math.IsInf(b, -1) {
			return fmt.Errorf("histogram %q: boundaries[%d]: must be a finite number, found %v", name, i, b)
		}
	}
	return nil
}

// counterNames has the names and domains of the observable counters, by instrument.
type counterNames struct{ sync.Map }

type counterName struct {
	name string
	in   domain
}

// of returns the name of an observable counter, and the values that it can have. Any
// other instrument can have any value.
func (c *counterNames) of(i metric.Observable) (string, domain) {
	found, _ := c.Load(i)
	counter, _ := found.(counterName)
	return counter.name, counter.in
}

// Prometheus takes a lower counter for a restart, and a counter that is NaN stays NaN
// for ever. OpenTelemetry's SDK prevents neither.

type int64Counter struct {
	metric.Int64Counter
	name    string
	invalid *invalidValues
}

// Add drops a negative value.
func (c int64Counter) Add(ctx context.Context, v int64, opts ...metric.AddOption) {
	if !valid(v, notNegative) {
		c.invalid.drop(c.name, notNegative, float64(v))
		return
	}
	c.Int64Counter.Add(ctx, v, opts...)
}

type float64Counter struct {
	metric.Float64Counter
	name    string
	invalid *invalidValues
}

// Add drops a negative value and NaN.
func (c float64Counter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if !valid(v, notNegative) {
		c.Drop(v)
		return
	}
	c.Float64Counter.Add(ctx, v, opts...)
}

// Drop counts and logs a value that was not added. Package instrument calls it.
func (c float64Counter) Drop(v float64) { c.invalid.drop(c.name, notNegative, v) }

type float64UpDownCounter struct {
	metric.Float64UpDownCounter
	name    string
	invalid *invalidValues
}

// Add drops NaN.
func (c float64UpDownCounter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if !valid(v, notNaN) {
		c.invalid.drop(c.name, notNaN, v)
		return
	}
	c.Float64UpDownCounter.Add(ctx, v, opts...)
}
