package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// diary lists what an app did, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	check.Equal(t, strings.Join(d.lines, ", "), strings.Join(want, ", "))
}

// hook returns a function that writes into the diary and returns err.
func (d *diary) hook(line string, err error) func(context.Context) error {
	return func(context.Context) error {
		d.write(line)
		return err
	}
}

// threeServices returns an app whose services Front, A and B write their life into d.
// hooks replaces some of their functions, such as "A warm".
func threeServices(d *diary, hooks map[string]func(context.Context) error, opts ...runtime.Option) *runtime.App {
	app := newApp("Front", opts...)
	for _, svc := range []*runtime.Service{app.Service, app.AddService("A"), app.AddService("B")} {
		runtime.Handle(svc, "length", length)
		hook := func(kind string) func(context.Context) error {
			if own := hooks[svc.Name()+" "+kind]; own != nil {
				return own
			}
			return d.hook(svc.Name()+" "+kind, nil)
		}
		svc.OnStop(hook("stop1"))
		svc.Warm(hook("warm"))
		svc.OnStart(hook("start1"))
		svc.OnStart(hook("start2"))
		svc.OnStop(hook("stop2"))
	}
	return app
}

var (
	startsA     = []string{"A start1", "A start2", "A warm"}
	startsB     = []string{"B start1", "B start2", "B warm"}
	startsFront = []string{"Front start1", "Front start2", "Front warm"}
	stopsA      = []string{"A stop2", "A stop1"}
	stopsB      = []string{"B stop2", "B stop1"}
	stopsFront  = []string{"Front stop2", "Front stop1"}
)

// The services that are called start first, each after the other, and stop last. All
// ways to serve an app start it once.
func TestOrderOfLife(t *testing.T) {
	started := slices.Concat(startsA, startsB, startsFront)
	for name, begin := range map[string]func(*testing.T, *runtime.App) *server{"Serve": servePipe, "Handler": foreignPipe, "twice": func(t *testing.T, app *runtime.App) *server {
		handler(t, app)
		return foreignPipe(t, app)
	}} {
		d := &diary{}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := threeServices(d, nil)
				s := begin(t, app)
				if synctest.Wait(); name == "Serve" {
					check.OK(t, s.end())
					check.OK(t, app.Shutdown(t.Context()))
					return
				}
				d.want(t, started...)
				s.post("/length", `{"text":"four"}`).want(t, 200, "4")
			})
		})
		d.want(t, slices.Concat(started, stopsFront, stopsB, stopsA)...)
	}
}

// A function that fails ends the start. What has started is stopped, and the error
// names the place.
func TestStartThatFails(t *testing.T) {
	fails := func(context.Context) error { return errors.New("no GPU") }
	for name, test := range map[string]struct {
		hooks map[string]func(context.Context) error
		want  string
		life  []string
	}{
		"OnStart of the first service":  {map[string]func(context.Context) error{"A start1": fails}, `service "A": OnStart 1 of 2: no GPU`, nil},
		"OnStart of the second service": {map[string]func(context.Context) error{"B start2": fails}, `service "B": OnStart 2 of 2: no GPU`, slices.Concat(startsA, []string{"B start1"}, stopsA)},
		"Warm":                          {map[string]func(context.Context) error{"B warm": fails}, `service "B": Warm: no GPU`, slices.Concat(startsA, startsB[:2], stopsB, stopsA)},
		"of the entry service":          {map[string]func(context.Context) error{"Front start1": fails}, `service "Front": OnStart 1 of 2: no GPU`, slices.Concat(startsA, startsB, stopsB, stopsA)},
		"panic":                         {map[string]func(context.Context) error{"A warm": func(context.Context) error { panic("no GPU") }}, `service "A": Warm: panic: no GPU`, slices.Concat(startsA[:2], stopsA)},
		"Goexit": {
			map[string]func(context.Context) error{"A warm": func(context.Context) error { goruntime.Goexit(); return nil }},
			`service "A": Warm: the function called runtime.Goexit and returned no result`, slices.Concat(startsA[:2], stopsA),
		},
		"context.Canceled of the function": {
			map[string]func(context.Context) error{"A warm": func(context.Context) error { return context.Canceled }},
			`service "A": Warm: context canceled`, slices.Concat(startsA[:2], stopsA),
		},
		"the stop fails too": {
			map[string]func(context.Context) error{"B start1": fails, "A stop2": func(context.Context) error { panic("and no memory") }},
			"service \"B\": OnStart 1 of 2: no GPU\nservice \"A\": OnStop 2 of 2: panic: and no memory", slices.Concat(startsA, stopsA[1:]),
		},
	} {
		for way, run := range map[string]func(*runtime.App) error{
			"Serve":   func(app *runtime.App) error { return app.Serve(context.Background(), newPipes()) },
			"Handler": func(app *runtime.App) error { _, err := app.Handler(); return err },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := &diary{}
					app := threeServices(d, test.hooks)
					check.Error(t, run(app), test.want)
					d.want(t, test.life...)
					cannotRun(t, app)
				})
			})
		}
	}
}

// A stop that fails is the error of Serve, and the other services are stopped.
func TestStopThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		s := servePipe(t, threeServices(d, map[string]func(context.Context) error{
			"B stop1": func(context.Context) error { return errors.New("disk full") },
			"B stop2": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"A stop2": func(context.Context) error { time.Sleep(time.Hour); return nil },
		}, settings(func(c *config.Config) { c.Shutdown.Grace = 9 * time.Second })))
		synctest.Wait()
		begin := time.Now()
		err := s.end()
		check.Error(t, err, "service \"B\": OnStop 2 of 2: context deadline exceeded\nservice \"B\": OnStop 1 of 2: disk full\n"+
			"service \"A\": OnStop 2 of 2: still runs 250ms after its context ended; the app does not wait for it any longer")
		check.Equal(t, time.Since(begin), 9*time.Second+250*time.Millisecond)
		d.want(t, slices.Concat(startsA, startsB, startsFront, stopsFront, stopsA[1:])...)
		time.Sleep(time.Hour) // until the function has returned
	})
}

// Functions that hang delay the end by half a second together, and each function is called
// and gets its share of that time.
func TestStopsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, d := newEcho(settings(func(c *config.Config) { c.Shutdown.Grace = 9 * time.Second })), &diary{}
		app.OnStop(func(ctx context.Context) error {
			time.Sleep(80 * time.Millisecond)
			d.write("saved")
			check.Error(t, ctx.Err(), "context deadline exceeded")
			return nil
		})
		for range 4 {
			app.OnStop(func(context.Context) error { d.write("hangs"); time.Sleep(time.Hour); return nil })
		}
		_, err := app.Handler()
		check.OK(t, err)
		begin, want := time.Now(), ""
		for i := range 4 {
			want += fmt.Sprintf("service \"Echo\": OnStop %d of 5: still runs 100ms after its context ended; the app does not wait for it any longer\n", 5-i)
		}
		check.Error(t, app.Shutdown(t.Context()), strings.TrimSpace(want))
		check.Equal(t, time.Since(begin), 9*time.Second+480*time.Millisecond)
		d.want(t, "hangs", "hangs", "hangs", "hangs", "saved")
		time.Sleep(time.Hour) // until the functions have returned
	})
}

// While an app starts, it listens: it is alive, not ready, and takes no calls over HTTP.
// Calls in process work.
func TestProbesDuringTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEcho()
		below := app.AddService("Below")
		api := runtime.Handle(below, "length", length)
		release := make(chan struct{})
		below.Warm(func(ctx context.Context) error {
			got, err := api.Call(ctx, text{Text: "four"})
			check.Equal(t, got, 4)
			runtime.Logger(ctx).Info("warming")
			<-release
			time.Sleep(1500 * time.Millisecond)
			return err
		})
		app.Live(func(context.Context) error { return errors.New("not before the start has ended") })
		app.Mount("/app", http.NotFoundHandler())
		s := servePipe(t, app)
		synctest.Wait()
		s.do("GET", "/livez", "").want(t, 200, "\n")
		s.do("GET", "/healthz", "").want(t, 200, "\n")
		s.do("GET", "/readyz", "").want(t, 503, "starting\n")
		refused := s.post("/echo", `{"text":"a"}`)
		refused.want(t, 503, `{"error":"The service is starting"}`)
		check.Equal(t, refused.header.Get("Retry-After"), "1")
		s.do("GET", "/app/page", "").want(t, 503, `{"error":"The service is starting"}`)
		check.Equal(t, s.samples("warm_time"), "")
		check.Contains(t, s.do("GET", "/docs.json", "").body, `"Retry-After":{`)
		close(release)
		time.Sleep(2 * time.Second)
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		s.do("GET", "/livez", "").want(t, 503, "service Echo is not alive\n")
		s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
		check.Equal(t, s.do("GET", "/app/page", "").status, 404)
		check.Equal(t, s.samples("warm_time"), "ekiben_service_warm_time_seconds{} 1.5\n")
		check.Contains(t, s.samples("request_total", "/length", "200"), " 1.0\n")
	})
}

// SIGTERM ends a start. That is no error, also if a function returns the end of its
// context, and the services that have started are stopped.
func TestStartThatIsEnded(t *testing.T) {
	for name, test := range map[string]struct {
		warm func(context.Context) error
		want string
		took time.Duration
	}{
		"heeds its context":   {func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("loading: %w", ctx.Err()) }, "", 0},
		"returns nil":         {func(ctx context.Context) error { <-ctx.Done(); return nil }, "", 0},
		"fails":               {func(ctx context.Context) error { <-ctx.Done(); return errors.New("half a model") }, `service "B": Warm: half a model`, 0},
		"ignores its context": {func(context.Context) error { time.Sleep(time.Hour); return nil }, `service "B": Warm: still runs 9s after its context ended; the app does not wait for it any longer`, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				app := threeServices(d, map[string]func(context.Context) error{"B warm": test.warm},
					settings(func(c *config.Config) { c.Shutdown.Grace, c.Shutdown.Delay = 9*time.Second, time.Hour }))
				s := servePipe(t, app)
				synctest.Wait()
				begin := time.Now()
				if err := s.end(); test.want == "" {
					check.OK(t, err)
				} else {
					check.Error(t, err, test.want)
				}
				check.Equal(t, time.Since(begin), test.took)
				d.want(t, slices.Concat(startsA, startsB[:2], stopsB, stopsA)...)
				time.Sleep(time.Hour) // until the function has returned
			})
		})
	}
}

// Drain and Shutdown end a start that Handler waits for.
func TestHandlerThatIsEnded(t *testing.T) {
	for name, end := range map[string]func(*runtime.App) error{
		"Drain":    func(app *runtime.App) error { app.Drain(); return nil },
		"Shutdown": func(app *runtime.App) error { return app.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				app := threeServices(d, map[string]func(context.Context) error{"B warm": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
				done := make(chan error, 1)
				go func() { _, err := app.Handler(); done <- err }()
				synctest.Wait()
				check.OK(t, end(app))
				check.Error(t, <-done, servedAlready)
				d.want(t, slices.Concat(startsA, startsB[:2], stopsB, stopsA)...)
			})
		})
	}
}

// Shutdown waits for a start that ignores its end no longer than its own context allows. The
// services that have started are stopped.
func TestShutdownDuringAStart(t *testing.T) {
	for name, test := range map[string]struct {
		warm func(context.Context) error
		want string
		took time.Duration
	}{
		"ignores its context": {
			func(context.Context) error { time.Sleep(time.Hour); return nil },
			"App.Shutdown: the start of the services still runs 500ms after the context ended; the app does not wait for it any longer: context deadline exceeded", 1500 * time.Millisecond,
		},
		"returns late": {func(ctx context.Context) error { time.Sleep(1200 * time.Millisecond); return ctx.Err() }, "", 1200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				app := threeServices(d, map[string]func(context.Context) error{"B warm": test.warm},
					settings(func(c *config.Config) { c.Shutdown.Grace = 9 * time.Second }))
				ended := make(chan struct{})
				go func() { defer close(ended); _, _ = app.Handler() }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				if err := app.Shutdown(ctx); test.want == "" {
					check.OK(t, err)
				} else {
					check.Error(t, err, test.want)
				}
				check.Equal(t, time.Since(begin), test.took)
				d.want(t, slices.Concat(startsA, startsB[:2], stopsB, stopsA)...)
				<-ended
				time.Sleep(time.Hour) // until the function has returned
			})
		})
	}
}

// OnStop runs after the last request and the last batch, and before the last push.
func TestStopBetweenBatchesAndPush(t *testing.T) {
	before := goleak.IgnoreCurrent()
	d := &diary{}
	remote, url := collect(t, 0)
	app := newEcho(settings(func(c *config.Config) {
		c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval = true, url, time.Hour
	}))
	saved, err := app.Meter().Int64Counter("saved_total")
	check.Must(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []int) ([]int, error) {
		close(entered)
		<-release
		d.write("batch")
		return in, nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 1}))
	app.OnStop(func(ctx context.Context) error {
		d.write("stop")
		saved.Add(ctx, 1)
		return nil
	})
	s := serve(t, app)
	answered := make(chan answer, 1)
	go func() { answered <- s.post("/encode", `{"items":[1]}`) }()
	<-entered
	s.stop()
	close(release)
	check.OK(t, s.end())
	(<-answered).want(t, 200, "[1]")
	d.want(t, "batch", "stop")
	s.http.CloseIdleConnections()
	var pushed string
	for len(remote.metrics) > 0 {
		pushed = (<-remote.metrics).String()
	}
	check.Contains(t, pushed, "saved_total")
	check.OK(t, leaks(before, goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"), goleak.IgnoreAnyFunction("net/http.(*conn).serve")))
}

// Nil functions are errors, and check runs none.
func TestHooksAndCheck(t *testing.T) {
	d := &diary{}
	check.OK(t, threeServices(d, nil).Check())
	d.want(t)
	app := newEcho()
	app.OnStart(nil)
	app.Warm(nil)
	app.OnStop(nil)
	app.Live(nil)
	check.Error(t, app.Check(), `service "Echo": OnStart: the function must not be nil
service "Echo": Warm: the function must not be nil
service "Echo": OnStop: the function must not be nil
service "Echo": Live: the function must not be nil`)
}
