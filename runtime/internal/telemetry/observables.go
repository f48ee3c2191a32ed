package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

var errNilCallback = errors.New("the callback is nil; give a function")

// int64Callbacks wraps the callbacks of an instrument: it limits their time and drops
// values that the instrument cannot have.
func (m *meter) int64Callbacks(name string, in domain, callbacks []metric.Int64Callback) []metric.Int64Callback {
	bounded := make([]metric.Int64Callback, 0, len(callbacks))
	for _, f := range callbacks {
		if f == nil {
			m.Refuse(fmt.Errorf("metric %q: %w", name, errNilCallback))
			f = func(context.Context, metric.Int64Observer) error { return errNilCallback } // of an app that runs already
		}
		c := newCallback("metric", name)
		bounded = append(bounded, func(ctx context.Context, o metric.Int64Observer) error {
			made, err := c.run(ctx, func(ctx context.Context, to *observations) error { return f(ctx, int64Observer{to: to}) })
			for _, one := range made.ints {
				if !valid(one.value, in) {
					m.invalid.drop(name, in, float64(one.value))
					continue
				}
				o.Observe(one.value, one.options...)
			}
			return err
		})
	}
	return bounded
}

func (m *meter) float64Callbacks(name string, in domain, callbacks []metric.Float64Callback) []metric.Float64Callback {
	bounded := make([]metric.Float64Callback, 0, len(callbacks))
	for _, f := range callbacks {
		if f == nil {
			m.Refuse(fmt.Errorf("metric %q: %w", name, errNilCallback))
			f = func(context.Context, metric.Float64Observer) error { return errNilCallback } // of an app that runs already
		}
		c := newCallback("metric", name)
		bounded = append(bounded, func(ctx context.Context, o metric.Float64Observer) error {
			made, err := c.run(ctx, func(ctx context.Context, to *observations) error { return f(ctx, float64Observer{to: to}) })
			for _, one := range made.floats {
				if !valid(one.value, in) {
					m.invalid.drop(name, in, one.value)
					continue
				}
				o.Observe(one.value, one.options...)
			}
			return err
		})
	}
	return bounded
}

// RegisterCallback registers f for instruments of this meter.
func (m *meter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	if f == nil {
		err := fmt.Errorf("RegisterCallback: %w", errNilCallback)
		m.Refuse(err)
		return noop.Registration{}, err
	}
	c := newCallback("callback of service", m.service)
	registration, err := m.Meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		made, err := c.run(ctx, func(ctx context.Context, to *observations) error { return f(ctx, observer{to: to}) })
		for _, one := range made.ints {
			if name, in := m.counters.of(one.instrument); !valid(one.value, in) {
				m.invalid.drop(name, in, float64(one.value))
			} else if i, ok := one.instrument.(metric.Int64Observable); ok {
				o.ObserveInt64(i, one.value, one.options...)
			}
		}
		for _, one := range made.floats {
			if name, in := m.counters.of(one.instrument); !valid(one.value, in) {
				m.invalid.drop(name, in, one.value)
			} else if i, ok := one.instrument.(metric.Float64Observable); ok {
				o.ObserveFloat64(i, one.value, one.options...)
			}
		}
		return err
	}, instruments...)
	m.names.note(m.service, err)
	return registration, err
}

func (m *meter) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	cfg := metric.NewInt64ObservableCounterConfig(opts...)
	options := []metric.Int64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.int64Callbacks(name, notNegative, cfg.Callbacks()) {
		options = append(options, metric.WithInt64Callback(f))
	}
	made, err := declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableCounter, func(m metric.Meter) (metric.Int64ObservableCounter, error) {
		return m.Int64ObservableCounter(name, options...)
	})
	if err == nil {
		m.counters.Store(made, counterName{name, notNegative})
	}
	return made, err
}

func (m *meter) Float64ObservableCounter(name string, opts ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	cfg := metric.NewFloat64ObservableCounterConfig(opts...)
	options := []metric.Float64ObservableCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.float64Callbacks(name, notNegative, cfg.Callbacks()) {
		options = append(options, metric.WithFloat64Callback(f))
	}
	made, err := declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableCounter, func(m metric.Meter) (metric.Float64ObservableCounter, error) {
		return m.Float64ObservableCounter(name, options...)
	})
	if err == nil {
		m.counters.Store(made, counterName{name, notNegative})
	}
	return made, err
}

func (m *meter) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	cfg := metric.NewInt64ObservableUpDownCounterConfig(opts...)
	options := []metric.Int64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.int64Callbacks(name, anyValue, cfg.Callbacks()) {
		options = append(options, metric.WithInt64Callback(f))
	}
	return declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableUpDownCounter, func(m metric.Meter) (metric.Int64ObservableUpDownCounter, error) {
		return m.Int64ObservableUpDownCounter(name, options...)
	})
}

func (m *meter) Float64ObservableUpDownCounter(name string, opts ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	cfg := metric.NewFloat64ObservableUpDownCounterConfig(opts...)
	options := []metric.Float64ObservableUpDownCounterOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.float64Callbacks(name, notNaN, cfg.Callbacks()) {
		options = append(options, metric.WithFloat64Callback(f))
	}
	made, err := declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableUpDownCounter, func(m metric.Meter) (metric.Float64ObservableUpDownCounter, error) {
		return m.Float64ObservableUpDownCounter(name, options...)
	})
	if err == nil {
		m.counters.Store(made, counterName{name, notNaN})
	}
	return made, err
}

func (m *meter) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	cfg := metric.NewInt64ObservableGaugeConfig(opts...)
	options := []metric.Int64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.int64Callbacks(name, anyValue, cfg.Callbacks()) {
		options = append(options, metric.WithInt64Callback(f))
	}
	return declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableGauge, func(m metric.Meter) (metric.Int64ObservableGauge, error) {
		return m.Int64ObservableGauge(name, options...)
	})
}

func (m *meter) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	cfg := metric.NewFloat64ObservableGaugeConfig(opts...)
	options := []metric.Float64ObservableGaugeOption{metric.WithDescription(cfg.Description()), metric.WithUnit(cfg.Unit())}
	for _, f := range m.float64Callbacks(name, anyValue, cfg.Callbacks()) {
		options = append(options, metric.WithFloat64Callback(f))
	}
	return declare(m, name, cfg.Unit(), sdkmetric.InstrumentKindObservableGauge, func(m metric.Meter) (metric.Float64ObservableGauge, error) {
		return m.Float64ObservableGauge(name, options...)
	})
}
