package runtime

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/watch"
)

// WithSource reads the configuration: files, variables and flags over what
// [WithConfig] gives. [Runtime.Serve] reads it again when a file changes, and
// [Runtime.Reload] when it is called. Default: nothing is read.
func WithSource(source config.Source) Option {
	return func(rt *Runtime) { rt.source = &source }
}

// load reads the source over what code gave.
func (rt *Runtime) load() (*config.Loaded, error) { return rt.source.LoadFor(rt.base, rt.names()) }

// names are those that a configuration of the app may use.
func (rt *Runtime) names() config.Names {
	var names config.Names
	for _, svc := range rt.services {
		names.Services = append(names.Services, svc.name)
		for _, a := range svc.apis {
			names.Routes = append(names.Routes, a.route)
		}
	}
	names.Routes = append(names.Routes, reserved...)
	return names
}

// notify logs what is accepted and has no effect, a line each.
func (rt *Runtime) notify(notices []config.Notice) {
	for _, n := range notices {
		rt.logger.Warn("configuration", "key", n.Key, "where", n.Where.String(), "notice", n.Text)
	}
}

// Reload reads the configuration again and puts into force what can change
// while a server runs: the keys that docs/configuration.md marks. Requests
// under way keep the limits they began with. What changed and needs a restart
// is logged. A configuration with an error changes nothing: the error is
// logged and returned, and ekiben_config_last_reload_successful is 0.
//
// Without [WithSource] there is nothing to read, and it does nothing.
func (rt *Runtime) Reload() error {
	if rt.source == nil {
		return nil
	}
	rt.reloading.Lock()
	defer rt.reloading.Unlock()
	loaded, err := rt.load()
	rt.countReload(err)
	if err != nil {
		for _, problem := range config.Problems(err) {
			rt.logger.Error("configuration not reloaded", "error", problem)
		}
		return err
	}
	reloaded := rt.cfg().ApplyReloadable(loaded.Config)
	rt.apply(reloaded.Config)
	rt.files.Store(&loaded.Files)
	rt.logger.Info("configuration reloaded", "changed", strings.Join(reloaded.Applied, ", "))
	if len(reloaded.NeedRestart) > 0 {
		rt.logger.Warn("configuration that needs a restart has changed", "keys", strings.Join(reloaded.NeedRestart, ", "))
	}
	return nil
}

func (rt *Runtime) countReload(err error) {
	if rt.telemetry == nil {
		return
	}
	rt.telemetry.reloadFailed.Store(err != nil)
	if err != nil {
		rt.telemetry.reloadsFailed.Add(1)
		return
	}
	rt.telemetry.reloads.Add(1)
}

// tornWrite is how long a file that does not load may be one that is still
// being written.
const tornWrite = 100 * time.Millisecond

// follow reloads when a file of the source changes, until ctx ends.
func (rt *Runtime) follow(ctx context.Context) {
	if rt.source == nil || len(*rt.files.Load()) == 0 {
		return
	}
	err := watch.Files(ctx, rt.read, func() []string { return *rt.files.Load() }, func() {
		if _, err := rt.load(); err != nil {
			sleep(ctx, tornWrite)
		}
		_ = rt.Reload() // which logs
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		rt.logger.Log(ctx, slog.LevelWarn, "configuration files are not watched", "error", err)
	}
}
