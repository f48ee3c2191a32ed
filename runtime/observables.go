package runtime

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// unwrapObservable returns the SDK's instrument behind one of ours.
func unwrapObservable(i metric.Observable) metric.Observable {
	if ours, ok := i.(interface{ observable() metric.Observable }); ok {
		return ours.observable()
	}
	return i
}

// guardInt64 keeps a panicking callback from taking the scrape with it.
func guardInt64(callbacks []metric.Int64Callback) []metric.Int64Callback {
	guarded := make([]metric.Int64Callback, len(callbacks))
	for i, callback := range callbacks {
		guarded[i] = func(ctx context.Context, o metric.Int64Observer) (err error) {
			defer recoverCallback(&err)
			return callback(ctx, o)
		}
	}
	return guarded
}

type declaredInt64ObservableCounter struct {
	metric.Int64Observable
	embedded.Int64ObservableCounter
	delegate[metric.Int64ObservableCounter]
}

func (i *declaredInt64ObservableCounter) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	i := &declaredInt64ObservableCounter{}
	cfg := metric.NewInt64ObservableCounterConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableCounter,
		func(meter metric.Meter) (metric.Int64ObservableCounter, error) {
			options := []metric.Int64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardInt64(cfg.Callbacks()) {
				options = append(options, metric.WithInt64Callback(callback))
			}
			return meter.Int64ObservableCounter(name, options...)
		})
	return i, err
}

type declaredInt64ObservableUpDownCounter struct {
	metric.Int64Observable
	embedded.Int64ObservableUpDownCounter
	delegate[metric.Int64ObservableUpDownCounter]
}

func (i *declaredInt64ObservableUpDownCounter) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	i := &declaredInt64ObservableUpDownCounter{}
	cfg := metric.NewInt64ObservableUpDownCounterConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableUpDownCounter,
		func(meter metric.Meter) (metric.Int64ObservableUpDownCounter, error) {
			options := []metric.Int64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardInt64(cfg.Callbacks()) {
				options = append(options, metric.WithInt64Callback(callback))
			}
			return meter.Int64ObservableUpDownCounter(name, options...)
		})
	return i, err
}

type declaredInt64ObservableGauge struct {
	metric.Int64Observable
	embedded.Int64ObservableGauge
	delegate[metric.Int64ObservableGauge]
}

func (i *declaredInt64ObservableGauge) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	i := &declaredInt64ObservableGauge{}
	cfg := metric.NewInt64ObservableGaugeConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableGauge,
		func(meter metric.Meter) (metric.Int64ObservableGauge, error) {
			options := []metric.Int64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardInt64(cfg.Callbacks()) {
				options = append(options, metric.WithInt64Callback(callback))
			}
			return meter.Int64ObservableGauge(name, options...)
		})
	return i, err
}

// guardFloat64 keeps a panicking callback from taking the scrape with it.
func guardFloat64(callbacks []metric.Float64Callback) []metric.Float64Callback {
	guarded := make([]metric.Float64Callback, len(callbacks))
	for i, callback := range callbacks {
		guarded[i] = func(ctx context.Context, o metric.Float64Observer) (err error) {
			defer recoverCallback(&err)
			return callback(ctx, o)
		}
	}
	return guarded
}

type declaredFloat64ObservableCounter struct {
	metric.Float64Observable
	embedded.Float64ObservableCounter
	delegate[metric.Float64ObservableCounter]
}

func (i *declaredFloat64ObservableCounter) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Float64ObservableCounter(name string, opts ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	i := &declaredFloat64ObservableCounter{}
	cfg := metric.NewFloat64ObservableCounterConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableCounter,
		func(meter metric.Meter) (metric.Float64ObservableCounter, error) {
			options := []metric.Float64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardFloat64(cfg.Callbacks()) {
				options = append(options, metric.WithFloat64Callback(callback))
			}
			return meter.Float64ObservableCounter(name, options...)
		})
	return i, err
}

type declaredFloat64ObservableUpDownCounter struct {
	metric.Float64Observable
	embedded.Float64ObservableUpDownCounter
	delegate[metric.Float64ObservableUpDownCounter]
}

func (i *declaredFloat64ObservableUpDownCounter) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Float64ObservableUpDownCounter(name string, opts ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	i := &declaredFloat64ObservableUpDownCounter{}
	cfg := metric.NewFloat64ObservableUpDownCounterConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableUpDownCounter,
		func(meter metric.Meter) (metric.Float64ObservableUpDownCounter, error) {
			options := []metric.Float64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardFloat64(cfg.Callbacks()) {
				options = append(options, metric.WithFloat64Callback(callback))
			}
			return meter.Float64ObservableUpDownCounter(name, options...)
		})
	return i, err
}

type declaredFloat64ObservableGauge struct {
	metric.Float64Observable
	embedded.Float64ObservableGauge
	delegate[metric.Float64ObservableGauge]
}

func (i *declaredFloat64ObservableGauge) observable() metric.Observable {
	real, _ := i.get()
	return real
}

func (m *declaredMeter) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	i := &declaredFloat64ObservableGauge{}
	cfg := metric.NewFloat64ObservableGaugeConfig(opts...)
	err := declare(m, &i.delegate, name, cfg.Unit(), sdkmetric.InstrumentKindObservableGauge,
		func(meter metric.Meter) (metric.Float64ObservableGauge, error) {
			options := []metric.Float64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
			for _, callback := range guardFloat64(cfg.Callbacks()) {
				options = append(options, metric.WithFloat64Callback(callback))
			}
			return meter.Float64ObservableGauge(name, options...)
		})
	return i, err
}
