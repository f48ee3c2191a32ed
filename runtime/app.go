// Package runtime serves Go functions over HTTP as BentoML serves Python
// functions: the same wire, the same metrics, the same limits.
//
// [New] makes an [App]. [Handle] and [HandleBatch] declare its APIs, and
// [App.Run] serves them until its context ends:
//
//	app := runtime.New("Shouter", runtime.WithSource(config.FromEnvironment()))
//	runtime.Handle(app, "shout", shout)
//	err := app.Run(ctx)
//
// Every error of a declaration or of the configuration is returned by Run, all
// of them at once. [App.Handler] is the app for a server of your own, and
// [API.Call] calls an API in process.
//
// A function finds its request with [RequestFrom], sets headers and cookies of
// the response with [ResponseFrom], and logs with [Logger].
package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tlsfiles"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// App is one program that serves: its entry service, whose APIs are served over
// HTTP, and the other services of the process, which the entry service calls.
// All are on one /metrics. Create it with [New].
//
// The methods of the embedded Service are those of the entry service.
type App struct {
	*Service

	options    options
	services   []*Service // the entry service first
	middleware []func(http.Handler) http.Handler
	identity   telemetry.Identity
	conf       configuration
	log        logs
	telemetry  *telemetry.Telemetry
	tracing    *tracing.Tracing // nil: no tracing
	pushes     pushes
	life       life
	secure     *tls.Config // nil: plain HTTP
	chain      chain
	scratches  scratches
}

// New makes an app whose entry service is called name: the label runner_name,
// and the service's key below services: in the configuration. It reads the
// configuration, and it starts nothing. What is wrong with the name, the options
// or the configuration is returned by [App.Run], [App.Handler] and [App.Check].
func New(name string, opts ...Option) *App {
	a := &App{options: options{config: config.Default()}}
	for _, opt := range opts {
		opt.applyApp(&a.options)
	}
	valid := a.conf.start(a.options, name)
	a.identity = identityOf(a.conf.now().App, name)
	a.log = newLogs(a.options.logger, a.conf.now().Logging, &a.conf, name)
	a.measure(valid)
	a.Service = a.newService(name)
	a.checkOptions()
	return a
}

// AddService adds a service to the process, which other services call with
// [API.Call]. It has metrics and limits of its own. Its APIs are not served over
// HTTP. Each service of an app needs another name.
func (a *App) AddService(name string) *Service { return a.newService(name) }

// Use puts middleware around the APIs, documents and unmatched paths of the
// entry service. The first one is the outermost. Requests that middleware
// refuses are measured. Probes and /metrics bypass it.
func (a *App) Use(middleware ...func(http.Handler) http.Handler) {
	if !a.late("Use") {
		a.middleware = append(a.middleware, middleware...)
	}
}

// Handler returns the app as a handler for a server or mux of your own, and
// starts to push metrics if the configuration says so. Before that server shuts
// down call [App.Drain], and afterwards [App.Shutdown].
//
// To serve below a path, set http.path_prefix to it: routes, documents and the
// label endpoint then have it. With [http.StripPrefix] instead, none of them do.
func (a *App) Handler() (http.Handler, error) {
	if err := a.seal(); err != nil {
		return nil, err
	}
	if a.life.draining.Load() {
		return nil, errServed
	}
	a.pushes.start()
	return http.HandlerFunc(a.serveForeign), nil
}

// Check returns what [App.Run] would refuse: declarations, the configuration,
// and the files that it names. It listens nowhere and sends nothing. The app
// cannot run afterwards.
func (a *App) Check() error {
	err := a.seal()
	return errors.Join(err, a.Shutdown(context.Background()))
}

// Config returns the configuration in force. A reload changes it.
func (a *App) Config() config.Config { return a.conf.now().Config }

// measure builds the telemetry of the app. Without a valid configuration it
// measures nothing, and the app never runs.
func (a *App) measure(valid bool) {
	set := telemetry.Settings{
		Config: a.conf.now().Config, App: a.identity, Logger: a.log.logger,
		Provider: a.options.provider, Readers: a.options.readers,
	}
	measured, err := telemetry.New(set)
	if err != nil || !valid {
		measured = telemetry.Off(set)
	}
	if valid {
		a.fail(err)
	}
	a.telemetry = measured
}

func (a *App) checkOptions() {
	if a.options.provider != nil && len(a.options.readers) > 0 {
		a.fail(errors.New("runtime.WithReaders: these readers would read nothing beside runtime.WithMeterProvider; give them to that provider"))
	}
}

// seal ends the declarations. It returns every error of declarations and
// configuration, joined, and prepares what requests need. A second call returns
// what the first one returned.
func (a *App) seal() error {
	a.life.mu.Lock()
	defer a.life.mu.Unlock()
	if a.life.sealed.Load() {
		return a.life.sealErr
	}
	a.life.sealErr = a.prepare()
	a.life.open.Store(a.life.sealErr == nil)
	a.life.sealed.Store(true)
	return a.life.sealErr
}

func (a *App) prepare() error {
	if a.life.draining.Load() {
		return errServed
	}
	notices, err := a.conf.complete(a.names())
	if err == nil { // the files that it names
		var tlsErr error
		a.secure, tlsErr = tlsfiles.Server(a.conf.now().SSL)
		err = errors.Join(tlsErr, a.openPush(), a.openTracing())
	}
	if err := errors.Join(a.declarationErrors(), err); err != nil {
		return errors.Join(err, a.Shutdown(context.Background()))
	}
	a.log.notify(notices)
	a.apply(a.conf.now())
	if err := errors.Join(a.openMetrics(), a.openChain()); err != nil {
		return errors.Join(err, a.Shutdown(context.Background()))
	}
	return nil
}

// declarationErrors returns what is wrong with the options and declarations.
func (a *App) declarationErrors() error {
	errs := append(a.life.errs, a.telemetry.Names.Err())
	names := map[string]bool{}
	for _, svc := range a.services {
		errs = append(errs, svc.errs...)
		if names[svc.name] {
			errs = append(errs, fmt.Errorf("service %q: two services have this name", svc.name))
		}
		names[svc.name] = true
		if len(svc.apis) == 0 && len(svc.errs) == 0 {
			errs = append(errs, fmt.Errorf("service %q: has no API; declare one with runtime.Handle or runtime.HandleBatch", svc.name))
		}
	}
	return errors.Join(errs...)
}

// openMetrics adds every service and endpoint to the telemetry.
func (a *App) openMetrics() error {
	t := a.telemetry
	if err := t.Prepare(a.batchable()); err != nil {
		return err
	}
	var errs []error
	for i, svc := range a.services {
		errs = append(errs, svc.openMetrics(i == 0))
	}
	return errors.Join(append(errs, t.Register(a.options.source != nil), t.ObservePushes(a.pushes.metrics, a.pushes.traces))...)
}

func (a *App) batchable() bool {
	for _, svc := range a.services {
		if svc.maxBatchSize() > 0 {
			return true
		}
	}
	return false
}

// identityOf returns the labels service_name and service_version, with BentoML's
// defaults.
func identityOf(app config.App, entry string) telemetry.Identity {
	id := telemetry.Identity{Name: legalLabel(app.Name), Version: legalLabel(app.Version)}
	if id.Name == "" {
		id.Name = legalLabel(entry)
	}
	if id.Version == "" {
		id.Version = "not available"
	}
	return id
}
