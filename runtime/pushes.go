package runtime

import (
	"context"
	"fmt"
	"strings"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// pushes has the signals that an app pushes to a collector. Nil Stats: the signal
// is not pushed.
type pushes struct {
	metrics, traces *otlp.Stats
	targets         []string

	mu    sync.Mutex
	begin func() (close func(context.Context) error) // starts to push metrics; nil: started, or there is nothing to push
	close func(context.Context) error
}

// start starts to push metrics, once.
func (p *pushes) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begin != nil {
		p.close, p.begin = p.begin(), nil
	}
}

// stop pushes once more and ends the pushes. Later calls of start do nothing.
func (p *pushes) stop(ctx context.Context) error {
	p.mu.Lock()
	p.begin = nil
	p.mu.Unlock()
	return p.close(ctx)
}

// String returns the pushed signals and their endpoints.
func (p *pushes) String() string {
	if len(p.targets) == 0 {
		return "nothing"
	}
	return strings.Join(p.targets, ", ")
}

// target converts the configuration of a push to that of package otlp.
func (a *App) target(p config.Push) otlp.Config {
	headers := map[string]string{}
	for name, value := range p.Headers {
		headers[name] = value.Reveal()
	}
	retry := a.conf.now().OTLP.Retry
	return otlp.Config{
		Endpoint: p.Endpoint.Reveal(), Base: p.Base, Protocol: p.Protocol, Gzip: p.Compression == "gzip", Timeout: p.Timeout, Headers: headers,
		TLS:   otlp.TLS{CA: p.TLS.CA, Cert: p.TLS.Cert, Key: p.TLS.Key, Insecure: p.TLS.Insecure},
		Retry: otlp.Retry{Off: !retry.Enabled, Initial: retry.Initial, Max: retry.Max},
	}
}

func where(p config.Push) string {
	if p.Endpoint.IsZero() {
		return "this machine's collector"
	}
	return p.Endpoint.String()
}

// openPush makes the exporter of metrics. It connects at its first push.
func (a *App) openPush() error {
	cfg := a.conf.now()
	push := cfg.PushMetrics()
	if push.Enabled && a.options.provider != nil {
		a.log.notify([]config.Notice{{Key: "otlp", Text: "pushes no metrics, because runtime.WithMeterProvider is used: give that provider a reader that pushes"}})
	}
	if !push.Enabled || a.telemetry.Exporter == nil {
		return nil
	}
	stats := &otlp.Stats{}
	to, err := otlp.NewMetricExporter(otlp.Settings{Config: a.target(push), Stats: stats, Logger: a.log.logger})
	if err != nil {
		return a.conf.located(err, "otlp.metrics")
	}
	a.pushes.metrics = stats
	a.pushes.targets = append(a.pushes.targets, fmt.Sprintf("metrics to %s each %s", where(push), cfg.OTLP.Interval))
	a.pushes.close = to.Shutdown
	a.pushes.begin = func() func(context.Context) error {
		return otlp.NewPusher(otlp.PushSettings{From: a.telemetry.Pushed(), To: to, Interval: cfg.OTLP.Interval, Flush: flushTimeout}).Shutdown
	}
	a.atShutdown(closePushes, "push", func(ctx context.Context) error {
		if err := a.pushes.stop(ctx); err != nil {
			a.log.logger.Warn("the last metrics could not be pushed", "error", err)
		}
		return nil // no request is lost by it
	})
	return nil
}

// openTracing makes the tracing that the options or the configuration ask for.
func (a *App) openTracing() error {
	cfg := a.conf.now()
	switch {
	case a.options.tracer != nil:
		a.tracing = tracing.With(a.options.tracer, cfg.Tracing)
		return nil
	case !cfg.Tracing.Enabled:
		return nil
	}
	res, err := a.telemetry.Resource()
	if err != nil {
		return err
	}
	made := tracing.New(cfg.Tracing, res)
	life, end := context.WithCancel(context.Background())
	a.atShutdown(closePushes, "traces", func(ctx context.Context) error {
		defer end()
		if err := made.Shutdown(ctx); err != nil {
			a.log.logger.Warn("the last spans could not be pushed", "error", err)
		}
		return nil // no request is lost by it
	})
	if push := cfg.PushTraces(); push.Enabled {
		a.pushes.traces = &otlp.Stats{}
		exporter, err := otlp.NewTraceExporter(life, otlp.Settings{Config: a.target(push), Stats: a.pushes.traces, Logger: a.log.logger})
		if err != nil {
			return a.conf.located(err, "otlp.traces")
		}
		made.Send(exporter, sdktrace.WithExportTimeout(push.Timeout))
		a.pushes.targets = append(a.pushes.targets, "spans to "+where(push))
	}
	a.tracing = made
	return nil
}
