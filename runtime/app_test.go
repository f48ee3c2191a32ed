package runtime_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

func length(_ context.Context, in text) (int, error) { return len(in.Text), nil }

// wrongApps are apps with errors, and what Run returns for them.
var wrongApps = map[string]struct {
	name    string
	change  func(*config.Config)
	opts    []runtime.Option
	declare func(*runtime.App)
	want    string
}{

	"no API": {name: "A", declare: func(*runtime.App) {},
		want: `service "A": has no API; declare one, for example with runtime.Handle`},
	"no API of another service": {name: "A", declare: func(app *runtime.App) {
		runtime.Handle(app, "length", length)
		app.AddService("B")
	}, want: `service "B": has no API; declare one, for example with runtime.Handle`},
	"names of services": {declare: func(app *runtime.App) {
		runtime.Handle(app, "length", length)
		runtime.Handle(app.AddService("B"), "length", length)
		runtime.Handle(app.AddService("B"), "length", length)
		runtime.Handle(app.AddService(""), "length", length)
	}, want: `service "": must have a name without control characters
service "B": two services have this name
service "": must have a name without control characters
service "": two services have this name`},
	"everything": {name: "A",
		opts: []runtime.Option{runtime.WithMeterProvider(sdkmetric.NewMeterProvider()), runtime.WithReaders(sdkmetric.NewManualReader())},
		change: func(c *config.Config) {
			c.SSL = config.SSL{Enabled: true, CertFile: "none.pem"}
			c.Services = map[string]config.Service{"C": {}}
		},
		declare: func(app *runtime.App) {
			_, _ = app.Meter().Int64Counter("my.counter")
			runtime.Handle[text, int](app, "no name", nil)
		}, want: `runtime.WithReaders: has no effect with runtime.WithMeterProvider; give the readers to that provider
service "A": counter "my.counter": would be "my_counter_total" on /metrics; use that name
service "A": API "no name": function: must not be nil
service "A": API "no name": name must match ^[A-Za-z_][A-Za-z0-9_]*$
service "A": API "no name": route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%", "?", "#" or "*", found "/no name"
services.C: no service has this name; services: A`},
	"limits without an API": {name: "A",
		change: func(c *config.Config) {
			c.Traffic.Endpoints = map[string]config.EndpointTraffic{"/readyz": {}, "/length": {}}
			c.Metrics.Views.Endpoints = map[string]views.Endpoint{"/readyz": {}, "/length": {}}
		},
		declare: func(app *runtime.App) {
			runtime.Handle(app, "length", length)
			app.Use(nil)
		},
		want: `App.Use: middleware must not be nil, found nil in place 1
traffic.endpoints./readyz: no API has this route; routes: /length`},
	"control character": {name: "a b\n",
		declare: func(app *runtime.App) { runtime.Handle(app, "length", length) },
		want:    `service "a b\n": must have a name without control characters`},
	"middleware that returns nil": {name: "A",
		declare: func(app *runtime.App) {
			runtime.Handle(app, "length", length)
			app.Use(wrap, func(http.Handler) http.Handler { return nil })
		},
		want: "App.Use: middleware must return a handler, found nil from the one in place 2"},
	"middleware that returns a nil function": {name: "A",
		declare: func(app *runtime.App) {
			runtime.Handle(app, "length", length)
			app.Use(func(http.Handler) http.Handler { return http.HandlerFunc(nil) })
		},
		want: "App.Use: middleware must return a handler, found nil from the one in place 1"},
	"files": {name: "A",
		change: func(c *config.Config) {
			c.SSL = config.SSL{Enabled: true, CertFile: "none1", KeyFile: "none2"}
			c.OTLP.Endpoint, c.OTLP.TLS.CA = config.NewURL("https://127.0.0.1:1"), "none3"
			c.OTLP.Enabled, c.Tracing.Enabled = true, true // both signals read the file
		},
		declare: func(*runtime.App) {},
		want: `service "A": has no API; declare one, for example with runtime.Handle
ssl.certfile: open none1: no such file or directory
ssl.keyfile: open none2: no such file or directory
otlp.tls.ca: open none3: no such file or directory`},
}

// Run, Serve, Handler and Check return all errors at once, and the same errors when
// they are called again.
func TestEveryErrorAtOnce(t *testing.T) {
	for name, test := range wrongApps {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			for _, method := range []struct {
				name string
				call func(*runtime.App) error
			}{
				{"Run", func(app *runtime.App) error { return app.Run(ended()) }},
				{"Serve", func(app *runtime.App) error { return app.Serve(ended(), newPipes()) }},
				{"Handler", func(app *runtime.App) error { _, err := app.Handler(); return err }},
				{"Check", (*runtime.App).Check},
			} {
				app := newApp(test.name, append(test.opts, settings(test.change))...)
				test.declare(app)
				for range 2 {
					if err := method.call(app); err == nil || err.Error() != test.want {
						t.Errorf("%s: got\n%v\nwant\n%s", method.name, err, test.want)
					}
				}
			}
			check.OK(t, leaks(before))
		})
	}
}

// Check starts nothing and sends nothing. The app cannot run afterwards.
func TestCheck(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var pushes atomic.Int64
	remote := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pushes.Add(1) }))
	app := newEcho(settings(func(c *config.Config) {
		c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval = true, config.NewURL(remote.URL), time.Millisecond
		c.Tracing.Enabled = true
	}))
	api := runtime.Handle(app, "call", length)
	for range 2 {
		check.OK(t, app.Check())
	}
	cannotRun(t, app)
	_, err := api.Call(t.Context(), text{})
	check.Error(t, err, `service "Echo": API "call": called before the app runs; call it after App.Run or App.Handler`)
	if app.Addr() != nil || pushes.Load() > 0 {
		t.Errorf("it listens on %v and has pushed %d times", app.Addr(), pushes.Load())
	}
	remote.Close()
	check.OK(t, leaks(before))
}

// ended returns a context with which an app that should not run, but does, stops at once.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

const servedAlready = "the app has been served, checked, drained by App.Drain or shut down already; make a new one with runtime.New"

// Nil arguments are errors, after which the app can be served.
func TestNilArguments(t *testing.T) {
	app := newEcho()
	for _, err := range []error{app.Run(nil), app.Serve(nil, newPipes()), app.Serve(t.Context(), nil), app.Shutdown(nil)} {
		if err == nil || !strings.HasSuffix(err.Error(), "must not be nil") {
			t.Errorf("got %v", err)
		}
	}
	direct(t, app).post("/echo", `{"text":"a"}`).want(t, 200, "A")
}

// cannotRun checks that an app that was served or shut down cannot be served.
func cannotRun(t *testing.T, app *runtime.App) {
	t.Helper()
	_, handlerErr := app.Handler()
	for method, err := range map[string]error{
		"Handler": handlerErr, "Run": app.Run(ended()), "Serve": app.Serve(ended(), newPipes()),
	} {
		if err == nil || err.Error() != servedAlready {
			t.Errorf("%s: got %v", method, err)
		}
	}
}

// An option that is nil, or is not a media type, is an error.
func TestWrongOptions(t *testing.T) {
	app := newApp("A\x00", nil)
	runtime.Handle(app, "a", named("a"), nil)
	runtime.HandleBatch(app, "b", func(_ context.Context, in []int) ([]int, error) { return in, nil }, nil)
	runtime.Handle(app, "c", named("c"), runtime.ContentType("text/html\r\nX: y"))
	runtime.Handle(app, "d", named("d"), runtime.ContentType("text/html; charset=\"a\x7f\""))
	want := strings.ReplaceAll(`runtime.New: option 3 must not be nil
service "A": must have a name without control characters
service "A": API "a": option 1: must not be nil
service "A": API "b": option 1: must not be nil
service "A": API "c": runtime.ContentType: must be a media type such as "text/html", found "text/html\r\nX: y": mime: unexpected content after media subtype
service "A": API "d": runtime.ContentType: must not have control characters except tabs, found "text/html; charset=\"a\x7f\""`, `"A"`, `"A\x00"`)
	check.Error(t, app.Check(), want)
}
