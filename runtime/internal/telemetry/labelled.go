package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/metric"
)

// labelled adds labels to the observations on its meters, because OpenTelemetry's
// instrumentation of the Go runtime has no option for labels.
type labelled struct {
	metric.MeterProvider
	labels metric.MeasurementOption
}

// Meter returns a meter that adds the labels.
func (l labelled) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return labelledMeter{l.MeterProvider.Meter(name, opts...), l.labels}
}

type labelledMeter struct {
	metric.Meter
	labels metric.MeasurementOption
}

// RegisterCallback registers f, whose observations get the labels.
func (m labelledMeter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	return m.Meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		return f(ctx, labelledObserver{o, m.labels})
	}, instruments...)
}

type labelledObserver struct {
	metric.Observer
	labels metric.MeasurementOption
}

// ObserveInt64 adds the labels.
func (o labelledObserver) ObserveInt64(i metric.Int64Observable, v int64, opts ...metric.ObserveOption) {
	o.Observer.ObserveInt64(i, v, append(opts, o.labels)...)
}

// ObserveFloat64 adds the labels.
func (o labelledObserver) ObserveFloat64(i metric.Float64Observable, v float64, opts ...metric.ObserveOption) {
	o.Observer.ObserveFloat64(i, v, append(opts, o.labels)...)
}
