package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Check of an app that runs is an error, and the app runs on.
func TestCheckOfARunningApp(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *runtime.App) *server{"Serve": servePipe, "Handler": direct} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newEcho()
				s := start(t, app)
				s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
				if err := app.Check(); !errors.Is(err, runtime.ErrServed) {
					t.Errorf("got %v", err)
				}
				s.do("GET", "/readyz", "").want(t, 200, "\n")
				if page := s.do("GET", "/metrics", ""); page.status != 200 {
					t.Errorf("/metrics: %d %s", page.status, page.body)
				}
			})
		})
	}
}

// Shutdown may come at any moment of a start.
func TestShutdownDuringTheStart(t *testing.T) {
	for range 50 {
		app := newEcho(settings(func(c *config.Config) {
			c.Shutdown.Idle = 0
			c.OTLP.Enabled, c.OTLP.Endpoint, c.Tracing.Enabled = true, config.NewURL("http://127.0.0.1:1"), true
		}))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- app.Serve(ctx, newPipes()) }()
		check.OK(t, app.Shutdown(t.Context()))
		stop()
		if err := <-done; err != nil && err.Error() != servedAlready {
			t.Error(err)
		}
	}
}

// An app that is never run needs no Shutdown.
func TestNewStartsNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	app := newEcho(settings(func(c *config.Config) {
		c.OTLP.Enabled, c.OTLP.Endpoint, c.Tracing.Enabled, c.Metrics.GoRuntime = true, config.NewURL("http://127.0.0.1:1"), true, true
	}))
	runtime.HandleBatch(app, "batch", func(_ context.Context, in []int) ([]int, error) { return in, nil }, runtime.Batching(batcher.Config{Workers: 4}))
	check.OK(t, leaks(before))
}

// With a context that ends before the app listens, Run does not listen and returns no
// error, whatever the address.
func TestRunWithAnEndedContext(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		app := newEcho(settings(func(c *config.Config) { c.HTTP.Host, c.HTTP.Port = host, 0 }))
		if err := app.Run(ended()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if at := app.Addr(); at != nil {
			t.Errorf("it listens on %s", at)
		}
	}
}

// A declaration after the start has no effect and is logged.
func TestDeclaredTooLate(t *testing.T) {
	var log logBuffer
	app := newEcho(runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	s := direct(t, app)
	refuse := fmt.Errorf("too late")
	ignored := runtime.Handle(app, "late", func(context.Context, text) (string, error) { return "", nil })
	runtime.HandleBatch(app, "batch", func(context.Context, []int) ([]int, error) { return nil, nil })
	runtime.Handle(app.AddService("Other"), "below", func(context.Context, text) (string, error) { return "", nil })
	app.Use(wrap)
	app.SetReadiness(func(context.Context) error { return refuse })
	for _, path := range []string{"/late", "/batch", "/below"} {
		s.post(path, "{}").want(t, 404, "Not Found")
	}
	s.do("GET", "/readyz", "").want(t, 200, "\n")
	if _, err := ignored.Call(t.Context(), text{}); err == nil || err.Error() != `service "Echo": API "late": ignored, because it was declared after App.Run or App.Handler` {
		t.Errorf("Call: %v", err)
	}
	for _, declaration := range []string{`"Handle late"`, `"Handle batch"`, `"AddService Other"`, `"Handle below"`, "Use", "SetReadiness"} {
		check.Contains(t, log.String(), `level=ERROR msg="declaration ignored: the app runs already" declaration=`+declaration+"\n")
	}
}

// A declaration while the app starts makes the start fail.
func TestDeclaredInOnStart(t *testing.T) {
	for kind, hook := range map[string]func(*runtime.App, func(context.Context) error){
		"OnStart": func(app *runtime.App, f func(context.Context) error) { app.OnStart(f) },
		"Warm":    func(app *runtime.App, f func(context.Context) error) { app.Warm(f) },
	} {
		var log logBuffer
		app := newEcho(runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		hook(app, func(context.Context) error {
			runtime.Handle(app, "late", length)
			app.Use(wrap)
			return nil
		})
		_, err := app.Handler()
		const why = ": declared while the app starts, for example in OnStart: declare before App.Run, App.Serve or App.Handler"
		if want := "Handle late" + why + "\nUse" + why; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", kind, err, want)
		}
		if strings.Contains(log.String(), "declaration ignored") { // the error says it
			t.Errorf("got %s", log.String())
		}
	}
}

// Middleware is called while the app is prepared. It may ask the app, and its declarations are errors.
func TestDeclaredByMiddleware(t *testing.T) {
	app := newEcho(runtime.WithLogger(quiet()))
	app.Use(func(next http.Handler) http.Handler {
		_ = app.ConfigFiles()
		runtime.Handle(app, "late", length)
		return next
	})
	_, err := app.Handler()
	check.Contains(t, fmt.Sprint(err), "Handle late: declared while the app starts")
}

// A declaration after Check is logged with what is true.
func TestDeclaredAfterCheck(t *testing.T) {
	var log logBuffer
	app := newEcho(runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	check.OK(t, app.Check())
	app.Use(wrap)
	check.Contains(t, log.String(), `level=ERROR msg="declaration ignored: the app was checked, or could not start" declaration=Use`)
}

// An app that was shut down does not serve.
func TestShutdownBeforeRun(t *testing.T) {
	app := newEcho(settings(func(c *config.Config) { c.Tracing.Enabled = true }))
	check.OK(t, app.Shutdown(t.Context()))
	cannotRun(t, app)
}
