package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// pushes is what becomes of what is pushed, by signal; nil: it is not.
type pushes struct{ metrics, traces *otlp.Stats }

// sender is a push as package otlp has it.
func (rt *Runtime) sender(p config.Push) otlp.Config {
	headers := map[string]string{}
	for name, value := range p.Headers {
		headers[name] = value.Reveal()
	}
	retry := rt.cfg().OTLP.Retry
	return otlp.Config{
		Endpoint: p.Endpoint.Reveal(), Base: p.Base, Protocol: p.Protocol, Gzip: p.Compression == "gzip", Timeout: p.Timeout, Headers: headers,
		TLS:   otlp.TLS{CA: p.TLS.CA, Cert: p.TLS.Cert, Key: p.TLS.Key, Insecure: p.TLS.Insecure},
		Retry: otlp.Retry{Off: !retry.Enabled, Initial: retry.Initial, Max: retry.Max},
	}
}

// deltas returns the reader of a push of deltas; nil: what is pushed is read
// from the page's reader, so that recording costs what it costs without.
func (rt *Runtime) deltas() sdkmetric.Reader {
	if cfg := rt.Config(); !cfg.PushMetrics().Enabled || cfg.OTLP.Temporality != "delta" {
		return nil
	}
	return sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
}

// push begins to push metrics.
func (rt *Runtime) push(from otlp.Collector) error {
	cfg := rt.Config()
	push := cfg.PushMetrics()
	if !push.Enabled {
		return nil
	}
	stats := &otlp.Stats{}
	to, err := otlp.NewMetricExporter(otlp.Settings{Config: rt.sender(push), Stats: stats, Logger: rt.logger})
	if err != nil {
		return err
	}
	if rt.dry {
		return nil
	}
	rt.pushes.metrics = stats
	p := otlp.NewPusher(otlp.PushSettings{From: from, To: to, Interval: cfg.OTLP.Interval, Flush: flushTimeout})
	rt.atShutdown(closePushes, "push", func(ctx context.Context) error {
		if err := p.Shutdown(ctx); err != nil {
			rt.logger.Warn("the last metrics could not be pushed", "error", err)
		}
		return nil // no request is lost by it
	})
	return nil
}

// pushing says what goes where; "nothing" if nothing does.
func (rt *Runtime) pushing() string {
	cfg := rt.Config()
	where := func(p config.Push) string {
		if p.Endpoint.IsZero() {
			return "this machine's collector"
		}
		return p.Endpoint.String()
	}
	var all []string
	if rt.pushes.metrics != nil {
		all = append(all, fmt.Sprintf("metrics to %s each %s", where(cfg.PushMetrics()), cfg.OTLP.Interval))
	}
	if rt.pushes.traces != nil {
		all = append(all, "spans to "+where(cfg.PushTraces()))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// observe registers what becomes of pushes.
func (p pushes) observe(meter metric.Meter) error {
	if p == (pushes{}) {
		return nil
	}
	exported, err1 := meter.Int64ObservableCounter("ekiben.otlp.exported",
		metric.WithDescription("Data points and spans that a collector took"), metric.WithUnit("{item}"))
	failures, err2 := meter.Int64ObservableCounter("ekiben.otlp.failures",
		metric.WithDescription("Pushes that failed, by reason"), metric.WithUnit("{push}"))
	last, err3 := meter.Float64ObservableGauge("ekiben.otlp.last_success_timestamp",
		metric.WithDescription("Time of the last push that succeeded; 0 before the first"), metric.WithUnit("s"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for name, stats := range map[string]*otlp.Stats{"metrics": p.metrics, "traces": p.traces} {
			if stats == nil {
				continue
			}
			signal := attribute.String("signal", name)
			o.ObserveInt64(exported, stats.Exported(), metric.WithAttributes(signal))
			at := 0.0
			if last := stats.LastSuccess(); !last.IsZero() {
				at = float64(last.UnixNano()) / 1e9
			}
			o.ObserveFloat64(last, at, metric.WithAttributes(signal))
			for _, why := range otlp.Reasons() {
				o.ObserveInt64(failures, stats.Failures(why), metric.WithAttributes(signal, attribute.String("reason", why.String())))
			}
		}
		return nil
	}, exported, failures, last)
	return err
}
