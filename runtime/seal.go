package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/proxies"
	"github.com/ekiben-serving/ekiben/runtime/internal/tlsfiles"
)

// ErrNoAPI is the cause of the error that [App.Run], [App.Handler] and [App.Check]
// return for a service without an API.
var ErrNoAPI = errors.New("has no API; declare one, for example with runtime.Handle")

// seal ends the declarations and prepares the app for requests. It returns all
// errors of declarations and configuration, joined. A second call returns the
// result of the first.
func (a *App) seal() error {
	a.life.sealMu.Lock()
	defer a.life.sealMu.Unlock()
	if a.life.sealed.Load() {
		return a.life.sealErr
	}
	a.conf.Asked.Store(false)
	a.life.startup.begin()
	a.life.sealed.Store(true) // before middleware is called, which may declare
	err := a.prepare()
	if late := a.life.startup.done(nil); late != nil && err == nil {
		err = errors.Join(late, a.close(context.Background(), 0))
	}
	a.life.sealErr = err
	a.life.valid.Store(err == nil)
	if a.life.sealErr == nil && a.conf.Asked.Load() {
		_ = a.Reload() // which logs the error
	}
	return a.life.sealErr
}

func (a *App) prepare() error {
	if a.life.draining.Load() {
		return ErrServed
	}
	a.life.mu.Lock()
	notices, needRestart, err := a.conf.Complete(a.names())
	a.life.mu.Unlock()
	if err == nil { // load the files that the configuration names
		var tlsErr error
		a.secure, tlsErr = tlsfiles.Open(a.conf.Now().SSL, a.log.logger)
		err = errors.Join(a.conf.Located(tlsErr, ""), a.conf.Located(errors.Join(a.checkSpool(), a.checkAdmin(), a.checkProtocols()), ""), distinct(a.openPush(), a.openTracing(), a.openLogs()), a.openTasks())
	}
	if err := errors.Join(a.declarationErrors(), err); err != nil {
		return errors.Join(err, a.close(context.Background(), 0))
	}
	a.trusted = proxies.New(a.conf.Now().HTTP.Proxies)
	a.apply(a.conf.Now())
	a.log.notify(a.ownNotices(notices))
	a.logNeedRestart(needRestart)
	if err := errors.Join(a.openMetrics(), a.openChain(), a.openAdmin()); err != nil {
		return errors.Join(err, a.close(context.Background(), 0))
	}
	return nil
}

// distinct joins errors, without those of equal text: both pushes may read a file.
func distinct(errs ...error) error {
	var all []error
	for _, one := range config.Problems(errors.Join(errs...)) {
		if !slices.ContainsFunc(all, func(other error) bool { return other.Error() == one.Error() }) {
			all = append(all, one)
		}
	}
	return errors.Join(all...)
}

// declarationErrors returns the errors of options and declarations, joined.
func (a *App) declarationErrors() error {
	errs := append(a.life.errs, a.telemetry.Names.Err())
	names := map[string]bool{}
	for _, svc := range a.services {
		errs = append(errs, svc.errs...)
		if names[svc.name] {
			errs = append(errs, fmt.Errorf("service %q: two services have this name", svc.name))
		}
		names[svc.name] = true
		if len(svc.apis)+len(svc.mounts) == 0 && len(svc.errs) == 0 {
			errs = append(errs, fmt.Errorf("service %q: %w", svc.name, ErrNoAPI))
		}
	}
	return errors.Join(errs...)
}
