package runtime

import (
	"context"

	"github.com/ekiben-serving/ekiben/runtime/config"
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
