package runtime

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

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
