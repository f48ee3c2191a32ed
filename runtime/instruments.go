package runtime

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// delegate is an instrument that may not exist yet. Until it does, and for ever
// when metrics are off, recording costs one load.
type delegate[T any] struct{ real atomic.Pointer[T] }

func (d *delegate[T]) get() (T, bool) {
	if real := d.real.Load(); real != nil {
		return *real, true
	}
	var none T
	return none, false
}

// declare checks the name and connects d to what makes returns, now or once
// there is a provider.
func declare[T any](m *declaredMeter, d *delegate[T], name, unit string, kind sdkmetric.InstrumentKind, makes func(metric.Meter) (T, error)) error {
	if err := m.names.add(name, unit, kind); err != nil {
		return err
	}
	return m.connect(func(meter metric.Meter) error {
		real, err := makes(meter)
		if err == nil {
			d.real.Store(&real)
		}
		return err
	})
}

type declaredInt64Counter struct {
	embedded.Int64Counter
	delegate[metric.Int64Counter]
}

func (i *declaredInt64Counter) Add(ctx context.Context, v int64, opts ...metric.AddOption) {
	if real, ok := i.get(); ok {
		real.Add(ctx, v, opts...)
	}
}

func (i *declaredInt64Counter) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Int64Counter(name string, opts ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	i := &declaredInt64Counter{}
	err := declare(m, &i.delegate, name, metric.NewInt64CounterConfig(opts...).Unit(), sdkmetric.InstrumentKindCounter,
		func(meter metric.Meter) (metric.Int64Counter, error) { return meter.Int64Counter(name, opts...) })
	return i, err
}

type declaredInt64UpDownCounter struct {
	embedded.Int64UpDownCounter
	delegate[metric.Int64UpDownCounter]
}

func (i *declaredInt64UpDownCounter) Add(ctx context.Context, v int64, opts ...metric.AddOption) {
	if real, ok := i.get(); ok {
		real.Add(ctx, v, opts...)
	}
}

func (i *declaredInt64UpDownCounter) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Int64UpDownCounter(name string, opts ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	i := &declaredInt64UpDownCounter{}
	err := declare(m, &i.delegate, name, metric.NewInt64UpDownCounterConfig(opts...).Unit(), sdkmetric.InstrumentKindUpDownCounter,
		func(meter metric.Meter) (metric.Int64UpDownCounter, error) {
			return meter.Int64UpDownCounter(name, opts...)
		})
	return i, err
}

type declaredInt64Histogram struct {
	embedded.Int64Histogram
	delegate[metric.Int64Histogram]
}

func (i *declaredInt64Histogram) Record(ctx context.Context, v int64, opts ...metric.RecordOption) {
	if real, ok := i.get(); ok {
		real.Record(ctx, v, opts...)
	}
}

func (i *declaredInt64Histogram) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Int64Histogram(name string, opts ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	i := &declaredInt64Histogram{}
	err := declare(m, &i.delegate, name, metric.NewInt64HistogramConfig(opts...).Unit(), sdkmetric.InstrumentKindHistogram,
		func(meter metric.Meter) (metric.Int64Histogram, error) { return meter.Int64Histogram(name, opts...) })
	return i, err
}

type declaredInt64Gauge struct {
	embedded.Int64Gauge
	delegate[metric.Int64Gauge]
}

func (i *declaredInt64Gauge) Record(ctx context.Context, v int64, opts ...metric.RecordOption) {
	if real, ok := i.get(); ok {
		real.Record(ctx, v, opts...)
	}
}

func (i *declaredInt64Gauge) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Int64Gauge(name string, opts ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	i := &declaredInt64Gauge{}
	err := declare(m, &i.delegate, name, metric.NewInt64GaugeConfig(opts...).Unit(), sdkmetric.InstrumentKindGauge,
		func(meter metric.Meter) (metric.Int64Gauge, error) { return meter.Int64Gauge(name, opts...) })
	return i, err
}

type declaredFloat64Counter struct {
	embedded.Float64Counter
	delegate[metric.Float64Counter]
}

func (i *declaredFloat64Counter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if real, ok := i.get(); ok {
		real.Add(ctx, v, opts...)
	}
}

func (i *declaredFloat64Counter) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Float64Counter(name string, opts ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	i := &declaredFloat64Counter{}
	err := declare(m, &i.delegate, name, metric.NewFloat64CounterConfig(opts...).Unit(), sdkmetric.InstrumentKindCounter,
		func(meter metric.Meter) (metric.Float64Counter, error) { return meter.Float64Counter(name, opts...) })
	return i, err
}

type declaredFloat64UpDownCounter struct {
	embedded.Float64UpDownCounter
	delegate[metric.Float64UpDownCounter]
}

func (i *declaredFloat64UpDownCounter) Add(ctx context.Context, v float64, opts ...metric.AddOption) {
	if real, ok := i.get(); ok {
		real.Add(ctx, v, opts...)
	}
}

func (i *declaredFloat64UpDownCounter) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Float64UpDownCounter(name string, opts ...metric.Float64UpDownCounterOption) (metric.Float64UpDownCounter, error) {
	i := &declaredFloat64UpDownCounter{}
	err := declare(m, &i.delegate, name, metric.NewFloat64UpDownCounterConfig(opts...).Unit(), sdkmetric.InstrumentKindUpDownCounter,
		func(meter metric.Meter) (metric.Float64UpDownCounter, error) {
			return meter.Float64UpDownCounter(name, opts...)
		})
	return i, err
}

type declaredFloat64Histogram struct {
	embedded.Float64Histogram
	delegate[metric.Float64Histogram]
}

func (i *declaredFloat64Histogram) Record(ctx context.Context, v float64, opts ...metric.RecordOption) {
	if real, ok := i.get(); ok {
		real.Record(ctx, v, opts...)
	}
}

func (i *declaredFloat64Histogram) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	i := &declaredFloat64Histogram{}
	err := declare(m, &i.delegate, name, metric.NewFloat64HistogramConfig(opts...).Unit(), sdkmetric.InstrumentKindHistogram,
		func(meter metric.Meter) (metric.Float64Histogram, error) {
			return meter.Float64Histogram(name, opts...)
		})
	return i, err
}

type declaredFloat64Gauge struct {
	embedded.Float64Gauge
	delegate[metric.Float64Gauge]
}

func (i *declaredFloat64Gauge) Record(ctx context.Context, v float64, opts ...metric.RecordOption) {
	if real, ok := i.get(); ok {
		real.Record(ctx, v, opts...)
	}
}

func (i *declaredFloat64Gauge) Enabled(ctx context.Context) bool {
	real, ok := i.get()
	return ok && real.Enabled(ctx)
}

func (m *declaredMeter) Float64Gauge(name string, opts ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	i := &declaredFloat64Gauge{}
	err := declare(m, &i.delegate, name, metric.NewFloat64GaugeConfig(opts...).Unit(), sdkmetric.InstrumentKindGauge,
		func(meter metric.Meter) (metric.Float64Gauge, error) { return meter.Float64Gauge(name, opts...) })
	return i, err
}
