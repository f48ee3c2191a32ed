package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// ObservePushes registers the metrics of pushes, by signal. Nil Stats: the signal is
// not pushed. lost returns how many log lines were lost.
func (t *Telemetry) ObservePushes(metrics, traces, logs *otlp.Stats, lost func() int64) error {
	signals := map[string]*otlp.Stats{}
	for name, stats := range map[string]*otlp.Stats{"metrics": metrics, "traces": traces, "logs": logs} {
		if stats != nil {
			signals[name] = stats
		}
	}
	if !t.On() || len(signals) == 0 {
		return nil
	}
	meter := t.Provider.Meter(Scope)
	exported, err1 := meter.Int64ObservableCounter("ekiben.otlp.exported",
		metric.WithDescription("Data points, spans and log lines that a collector accepted"), metric.WithUnit("{item}"))
	failures, err2 := meter.Int64ObservableCounter("ekiben.otlp.failures",
		metric.WithDescription("Pushes that failed, by reason"), metric.WithUnit("{push}"))
	last, err3 := meter.Float64ObservableGauge("ekiben.otlp.last_success_timestamp",
		metric.WithDescription("Time of the last push that succeeded; 0 before the first"), metric.WithUnit("s"))
	dropped, err4 := meter.Int64ObservableCounter("ekiben.otlp.dropped",
		metric.WithDescription("Log lines that no collector accepted: too many waited, or their push failed"), metric.WithUnit("{item}"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if logs != nil {
			o.ObserveInt64(dropped, lost(), t.app(attribute.String("signal", "logs")))
		}
		for name, stats := range signals {
			signal := attribute.String("signal", name)
			o.ObserveInt64(exported, stats.Exported(), t.app(signal))
			at := 0.0
			if last := stats.LastSuccess(); !last.IsZero() {
				at = float64(last.UnixNano()) / 1e9
			}
			o.ObserveFloat64(last, at, t.app(signal))
			for _, reason := range otlp.Reasons() {
				o.ObserveInt64(failures, stats.Failures(reason), t.app(signal, attribute.String("reason", reason.String())))
			}
		}
		return nil
	}, exported, failures, last, dropped)
	return err
}
