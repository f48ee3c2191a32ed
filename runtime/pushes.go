package runtime

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// openPush makes the exporter of metrics, if they are pushed.
func (a *App) openPush() error {
	cfg := a.conf.Now()
	push := cfg.PushMetrics()
	if push.Enabled && a.options.provider != nil {
		a.log.notify([]config.Notice{{Key: "otlp", Text: "pushes no metrics, because runtime.WithMeterProvider is used: give that provider a reader that pushes"}})
	}
	if !push.Enabled || a.telemetry.Exporter == nil {
		return nil
	}
	if err := a.pushes.OpenMetrics(cfg.Config, a.telemetry.Pushed(), flushTimeout, a.log.logger); err != nil {
		return a.conf.Located(err, "otlp.metrics")
	}
	a.atLastPush("metrics", a.pushes.Stop)
	return nil
}

// openTracing makes the tracing that the options or the configuration ask for.
func (a *App) openTracing() error {
	cfg := a.conf.Now()
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
	a.atLastPush("spans", func(ctx context.Context) error {
		defer end()
		return made.Shutdown(ctx)
	})
	if push := cfg.PushTraces(); push.Enabled {
		exporter, err := a.pushes.OpenTraces(life, cfg.Config, a.log.logger)
		if err != nil {
			return a.conf.Located(err, "otlp.traces")
		}
		made.Send(exporter, sdktrace.WithExportTimeout(push.Timeout))
	}
	a.tracing = made
	return nil
}

// openLogs makes the exporter of log lines, if they are pushed.
func (a *App) openLogs() error {
	cfg := a.conf.Now()
	if !cfg.PushLogs().Enabled {
		return nil
	}
	res, err := a.telemetry.Resource()
	if err != nil {
		return err
	}
	life, end := context.WithCancel(context.Background())
	a.log.endPush = end
	if err := a.pushes.OpenLogs(life, cfg.Config, res, a.log.local); err != nil {
		return a.conf.Located(err, "otlp.logs")
	}
	return nil
}

// atLastPush makes Shutdown call close. Its error is only logged: no request is lost by
// it.
func (a *App) atLastPush(of string, close func(context.Context) error) {
	a.atShutdown(closePushes, "last push of "+of, func(ctx context.Context) error {
		if err := close(ctx); err != nil {
			a.log.logger.Warn("the last "+of+" could not be pushed", "error", err)
		}
		return nil
	})
}
