package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// /readyz calls the check of the entry service, and the checks of other services
// unless runner_probe.enabled is false. A service whose check panics or hangs is not
// ready.
func TestReadiness(t *testing.T) {
	hangs := make(chan struct{})
	for name, test := range map[string]struct {
		front, below func(context.Context) error
		want, alone  string // alone: with runner_probe.enabled false
	}{
		"no checks":             {nil, nil, "\n", "\n"},
		"ready":                 {func(context.Context) error { return nil }, func(context.Context) error { return nil }, "\n", "\n"},
		"panics":                {func(context.Context) error { panic("secret") }, nil, "service Echo is not ready\n", "service Echo is not ready\n"},
		"calls Goexit":          {func(context.Context) error { goruntime.Goexit(); return nil }, nil, "service Echo is not ready\n", "service Echo is not ready\n"},
		"hangs":                 {func(context.Context) error { <-hangs; return nil }, nil, "service Echo is not ready\n", "service Echo is not ready\n"},
		"waits for its context": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil, "service Echo is not ready\n", "service Echo is not ready\n"},
		"other not ready":       {nil, func(context.Context) error { return errors.New("secret") }, "service Below is not ready\n", "\n"},
	} {
		for probed, want := range map[bool]string{true: test.want, false: test.alone} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hangs = make(chan struct{})
					app := newEcho(settings(func(c *config.Config) {
						c.RunnerProbe = config.RunnerProbe{Enabled: probed, Timeout: time.Second}
						if name == "calls Goexit" {
							c.RunnerProbe.Timeout = 0 // which would end the probe
						}
					}))
					below := app.AddService("Below")
					runtime.Handle(below, "length", length)
					if test.front != nil {
						app.SetReadiness(test.front)
					}
					if test.below != nil {
						below.SetReadiness(test.below)
					}
					s := direct(t, app)
					for range 3 { // a check that hangs blocks only one goroutine
						s.do("GET", "/readyz", "").want(t, map[bool]int{true: 200, false: 503}[want == "\n"], want)
					}
					s.do("GET", "/livez", "").want(t, 200, "\n")
					close(hangs)
					if synctest.Wait(); name == "hangs" {
						s.do("GET", "/readyz", "").want(t, 200, "\n")
					}
				})
			})
		}
	}
}

// /livez and /healthz call the checks of all services, in order, whatever
// runner_probe.enabled is. A check that panics or hangs means that the service is dead.
func TestLiveness(t *testing.T) {
	fine := func(context.Context) error { return nil }
	dead := func(context.Context) error { return errors.New("secret") }
	for name, test := range map[string]struct {
		front, below []func(context.Context) error
		want         string
	}{
		"no checks":             {want: "\n"},
		"alive":                 {[]func(context.Context) error{fine, fine}, []func(context.Context) error{fine}, "\n"},
		"dead":                  {[]func(context.Context) error{dead}, nil, "service Echo is not alive\n"},
		"second check":          {[]func(context.Context) error{fine, dead}, nil, "service Echo is not alive\n"},
		"other service":         {[]func(context.Context) error{fine}, []func(context.Context) error{dead}, "service Below is not alive\n"},
		"panics":                {[]func(context.Context) error{func(context.Context) error { panic("secret") }}, nil, "service Echo is not alive\n"},
		"calls Goexit":          {[]func(context.Context) error{func(context.Context) error { goruntime.Goexit(); return nil }}, nil, "service Echo is not alive\n"},
		"waits for its context": {[]func(context.Context) error{func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, nil, "service Echo is not alive\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, logger := newAwaited(t)
				app := newEcho(logger, settings(func(c *config.Config) { c.RunnerProbe = config.RunnerProbe{Timeout: time.Second} }))
				below := app.AddService("Below")
				runtime.Handle(below, "length", length)
				for _, one := range test.front {
					app.Live(one)
				}
				for _, one := range test.below {
					below.Live(one)
				}
				s := direct(t, app)
				for range 3 {
					s.do("GET", "/livez", "").want(t, map[bool]int{true: 200, false: 503}[test.want == "\n"], test.want)
				}
				s.do("GET", "/healthz", "").want(t, map[bool]int{true: 200, false: 503}[test.want == "\n"], test.want)
				s.do("GET", "/readyz", "").want(t, 200, "\n")
				check.Equal(t, strings.Count(log.String(), `msg="not alive"`), map[bool]int{true: 0, false: 1}[test.want == "\n"])
				check.OK(t, app.Shutdown(t.Context()))
				s.do("GET", "/livez", "").want(t, 200, "\n")
			})
		})
	}
}

// The log has a line for each change of readiness, not for each probe.
func TestReadinessIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var problem error
		log, logger := newAwaited(t)
		app := newEcho(logger)
		app.SetReadiness(func(context.Context) error { return problem })
		s := direct(t, app)
		for _, problem = range []error{errors.New("three parts are missing"), errors.New("two parts are missing"), nil, nil, errors.New("one part is missing"), errors.New("another"), nil} {
			s.do("GET", "/readyz", "")
		}
		want := `level=WARN msg="not ready" service=Echo error="three parts are missing"
level=INFO msg=ready
level=WARN msg="not ready" service=Echo error="one part is missing"
level=INFO msg=ready
`
		check.Equal(t, timeless.ReplaceAllString(log.String(), ""), want)
	})
}

// Drain makes /readyz respond 503 on a user's server, which still serves requests.
func TestDrainOnAUsersServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEcho()
		s := foreignPipe(t, app)
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		app.Drain()
		s.do("GET", "/readyz", "").want(t, 503, "draining\n")
		s.do("GET", "/livez", "").want(t, 200, "\n")
		s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
	})
}

// A prober that leaves says nothing of the app.
func TestProberLeaves(t *testing.T) {
	var lines bytes.Buffer
	app := newApp("Left", runtime.WithLogger(slog.New(slog.NewTextHandler(&lines, nil))))
	runtime.Handle(app, "echo", func(context.Context, text) (string, error) { return "", nil })
	app.SetReadiness(func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	h := handler(t, app)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	if strings.Contains(lines.String(), "not ready") {
		t.Errorf("the log says: %s", lines.String())
	}
}
