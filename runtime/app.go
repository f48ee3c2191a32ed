// Package runtime serves Go functions over HTTP as BentoML serves Python
// functions: with the same wire format, the same metrics and the same limits.
//
// [New] makes an [App]. [Handle], [HandleBatch], [HandleStream], [HandleEvents] and
// [HandleTask] declare its APIs, [Service.Mount] adds any other handler, and [App.Run]
// serves them until its context ends:
//
//	app := runtime.New("Shouter", runtime.WithSource(config.FromEnvironment()))
//	runtime.Handle(app, "shout", shout)
//	err := app.Run(ctx)
//
// Run returns all errors of the declarations and of the configuration at once.
// [App.Handler] returns the app as a handler for your own server. [API.Call]
// calls an API in process.
//
// A function reads its request with [RequestFrom], sets headers and cookies of
// the response with [ResponseFrom], and logs with [Logger].
//
// Package ekiben makes a program of an app. Read on: docs/getting-started.md.
package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/hijacked"
	"github.com/ekiben-serving/ekiben/runtime/internal/proxies"
	"github.com/ekiben-serving/ekiben/runtime/internal/pushes"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tlsfiles"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// App is the set of services that one process runs. The APIs of the entry
// service are served over HTTP. The other services are called in process. All
// share one /metrics. Create an App with [New].
//
// [App.Run], [App.Handler] and [App.Check] end the declarations: what is declared later
// is ignored, and logged as an error; while the app starts, such as in a function of
// [Service.OnStart], it makes the start fail. Declare from one goroutine. The methods that
// serve, reload, drain and shut down are safe for concurrent use.
//
// The embedded Service is the entry service.
type App struct {
	*Service

	options    options
	services   []*Service // the entry service first
	middleware []func(http.Handler) http.Handler
	identity   telemetry.Identity
	conf       settings.Settings
	log        logs
	telemetry  *telemetry.Telemetry
	tracing    *tracing.Tracing // nil: no tracing
	pushes     pushes.Pushes
	life       life
	admin      admin
	serving
	runningTasks
}

// serving is what requests pass through.
type serving struct {
	secure    *tlsfiles.Files             // nil: plain HTTP
	open      atomic.Pointer[conns.Conns] // nil before the app listens
	chain     chain
	scratches scratches
	bodies    body.Budget            // of all requests
	hijacked  hijacked.Set           // connections that handlers have taken over
	trusted   *proxies.Trusted       // nil: nobody
	guards    atomic.Pointer[guards] // nil: every request passes
	slow      slow.Log
}

// runningTasks runs the tasks of all services.
type runningTasks struct {
	tasks         atomic.Pointer[tasking.Engine] // nil before the app runs, and without tasks
	startingTasks sync.Mutex
}

// New makes an app whose entry service is called name. The name is the label
// runner_name, and the service's key below services: in the configuration. New
// reads the configuration and starts nothing. [App.Run], [App.Handler] and
// [App.Check] return the errors of the name, the options and the configuration.
func New(name string, opts ...Option) *App {
	a := &App{options: options{config: config.Default()}}
	for i, opt := range opts {
		if opt == nil {
			a.fail(fmt.Errorf("runtime.New: option %d must not be nil", i+1))
			continue
		}
		opt.applyApp(&a.options)
	}
	a.conf.Start(a.options.config, a.options.source, name)
	a.identity = telemetry.IdentityOf(a.conf.Now().App, name)
	var pushed *pushes.Pushes
	if a.conf.Now().PushLogs().Enabled {
		pushed = &a.pushes
	}
	a.log = newLogs(a.options.logger, a.conf.Now().Logging, &a.conf, pushed, name)
	a.measure()
	a.Service = a.newService(name)
	a.fail(a.options.check())
	return a
}

// AddService adds a service that other services call with [API.Call]. It has its
// own metrics and limits. Its APIs are not served over HTTP. Each service of an
// app must have a different name.
func (a *App) AddService(name string) *Service { return a.newService(name) }

// Use adds middleware around the APIs, documents and unmatched paths of the entry
// service. The first one is the outermost. Each is called once, with a handler for all
// of these paths. Requests that middleware refuses are counted in the metrics. Probes
// and /metrics bypass middleware. In middleware, [RequestFrom] has the route, the values
// of its wildcards and the id; [ResponseFrom] returns nil: use the ResponseWriter.
//
// A response that middleware has begun cannot become an error: if the function fails
// then, the connection is closed. After a timeout, Header of the ResponseWriter returns
// a new map, and changes of the old map are not sent.
func (a *App) Use(middleware ...func(http.Handler) http.Handler) {
	if a.tooLate("Use") {
		return
	}
	for i, one := range middleware {
		if one == nil {
			a.fail(fmt.Errorf("App.Use: middleware must not be nil, found nil in place %d", i+1))
			return
		}
	}
	a.middleware = append(a.middleware, middleware...)
}

// Handler returns the app as a handler for your own server or mux, and starts to
// push metrics if the configuration says so. It returns when the functions of
// [Service.OnStart] and [Service.Warm] have returned; Drain and Shutdown end their
// context. Call [App.Drain] before that server shuts down, and [App.Shutdown] afterwards.
//
// On HTTP/1, functions run on the goroutine of their connection if the server's
// [http.ResponseWriter] implements [http.Flusher], as net/http's does. With a writer that
// hides it, each runs on a goroutine of its own, which costs some microseconds.
//
// To serve below a path, set http.path_prefix: routes, documents and the label
// endpoint then include it. With [http.StripPrefix] instead, none of them do.
func (a *App) Handler() (http.Handler, error) {
	if err := a.seal(); err != nil {
		return nil, err
	}
	if err := a.begin(nil); err != nil {
		return nil, err
	}
	if err := a.startTasks(context.Background()); err != nil {
		return nil, errors.Join(err, a.Shutdown(context.Background()))
	}
	a.pushes.Start()
	if err := a.start(context.Background()); err != nil {
		return nil, cmp.Or(a.Shutdown(context.Background()), err)
	}
	a.beginTasks()
	return http.HandlerFunc(a.serveForeign), nil
}

// Check returns the errors that [App.Run] would return for the declarations, the
// configuration and the files that the configuration names. It does not listen and sends
// nothing. The app cannot run afterwards, and its APIs cannot be called. For an app that
// runs already, Check returns [ErrServed] and changes nothing.
func (a *App) Check() error {
	defer a.log.flush()
	if err := a.seal(); err != nil {
		return err
	}
	a.life.mu.Lock()
	begun := a.life.begun
	a.life.draining.Store(!begun || a.life.draining.Load())
	a.life.valid.Store(begun)
	a.life.mu.Unlock()
	if begun {
		return ErrServed
	}
	return a.close(context.Background(), 0)
}

// Config returns a copy of the configuration in force. A reload changes that.
func (a *App) Config() config.Config { return a.conf.Now().Clone() }

// ConfigFiles returns the files that the app's configuration was read from, files of secrets
// included. It is empty before [App.Run], [App.Handler] and [App.Check], and without [WithSource].
func (a *App) ConfigFiles() []string {
	a.life.mu.Lock()
	loaded := a.conf.Loaded
	a.life.mu.Unlock()
	if loaded == nil {
		return nil
	}
	files := slices.Clone(loaded.Files)
	if loaded.File != "" && !slices.Contains(files, loaded.File) { // its content was given
		files = append(files, loaded.File)
	}
	return files
}

// configurationFiles names the files that the configuration was read from.
func (a *App) configurationFiles() string {
	if files := a.ConfigFiles(); len(files) > 0 {
		return strings.Join(files, ", ")
	}
	return "no file"
}
