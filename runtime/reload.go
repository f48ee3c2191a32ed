package runtime

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Reload reads the configuration again and applies the keys that can change
// while a server runs; docs/configuration.md marks them. Running requests keep
// their limits. Changes that need a restart are logged. If the configuration has
// an error, nothing changes: the error is logged and returned, and
// ekiben_config_last_reload_successful is 0. Without [WithSource], it reads no
// configuration.
//
// It also reads the files of ssl again. If one of them has an error, the certificate from
// before is served, and the error is logged and returned. Before Run, or if the app could
// not start, Reload does nothing.
func (a *App) Reload() error {
	a.conf.Asked.Store(true) // seal reloads if the app is prepared just now, with the configuration from before
	if !a.life.valid.Load() {
		return nil
	}
	var errs []error
	if a.conf.Source != nil {
		errs = append(errs, a.conf.Reload(a.names(), false, a.reloaded))
	}
	if a.secure != nil {
		errs = append(errs, a.secure.Reload())
	}
	return errors.Join(errs...)
}

// reloadChanged reloads after a change of a file, unless an earlier reload has read
// that change: a write makes several events.
func (a *App) reloadChanged() error { return a.conf.Reload(a.names(), true, a.reloaded) }

// reloaded applies and logs the result of a reload.
func (a *App) reloaded(result config.Reloaded, err error) {
	a.countReload(err)
	if err != nil {
		for _, problem := range config.Problems(err) {
			a.log.logger.Error("configuration not reloaded", "error", problem)
		}
		return
	}
	a.apply(a.conf.Now())
	switch {
	case len(result.Applied) > 0:
		a.log.logger.Info("configuration reloaded", "changed", strings.Join(result.Applied, ", "))
	case len(result.NeedRestart) == 0:
		a.log.logger.Info("configuration reloaded, nothing changed")
	}
	a.logNeedRestart(result.NeedRestart)
}

func (a *App) logNeedRestart(keys []string) {
	if len(keys) > 0 {
		a.log.logger.Warn("configuration keys changed that need a restart", "keys", strings.Join(keys, ", "))
	}
}

func (a *App) countReload(err error) {
	counts := &a.telemetry.Counts
	counts.LastReloadFailed.Store(err != nil)
	if err != nil {
		counts.ReloadsFailed.Add(1)
		return
	}
	counts.Reloads.Add(1)
}

// follow reloads when a file of the source changes, until ctx ends.
func (a *App) follow(ctx context.Context) {
	err := a.conf.Follow(ctx, func() { _ = a.reloadChanged() }) // which logs the error
	if err != nil && !errors.Is(err, context.Canceled) {
		a.log.logger.Log(ctx, slog.LevelWarn, "configuration files are not watched", "error", err)
	}
}

// followTLS reads the files of ssl again when they change, until ctx ends.
func (a *App) followTLS(ctx context.Context) {
	if a.secure != nil {
		a.secure.Follow(ctx)
	}
}
