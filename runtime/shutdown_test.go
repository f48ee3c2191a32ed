package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Neither a batch that never ends nor a collector that never responds keeps the
// rest from being sent. The batch is an error, the collector is none, and nothing
// of either runs on.
func TestShutdownSendsTheRest(t *testing.T) {
	before, release := goleak.IgnoreCurrent(), make(chan struct{})
	tests := map[string]struct {
		metrics string // where they go; "": to a collector
		path    string
		want    string
	}{
		"black hole":            {accepting(t, nil), "/echo", ""},
		"batch that never ends": {"", "/encode", "batches of /encode: "},
		"both":                  {accepting(t, nil), "/encode", "batches of /encode: "},
		"refused":               {"http://127.0.0.1:1", "/echo", ""},
	}
	t.Run("all", func(t *testing.T) { // returns when all have ended
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got, remote := shutDown(t, test.metrics, test.path, release)
				if test.want == "" {
					check.Equal(t, got, "")
				}
				check.Contains(t, got, test.want) // on a busy machine, before or after the last moment
				if spans := remote.spans(); len(spans) == 0 || test.metrics == "" && len(remote.metrics) == 0 {
					t.Errorf("sent spans %q and %d pushes", spans, len(remote.metrics))
				}
			})
		}
	})
	close(release)
	check.OK(t, leaks(before))
}

// shutDown shuts an app down after a request, and returns the error of Shutdown.
func shutDown(t *testing.T, metrics, path string, release chan struct{}) (shutdownError string, remote *collector) {
	t.Helper()
	remote, url := collect(t, 0)
	app := newEcho(settings(func(c *config.Config) {
		c.OTLP.Metrics.Endpoint, c.OTLP.Traces.Endpoint, c.OTLP.Interval = url, url, time.Hour
		if metrics != "" {
			c.OTLP.Metrics.Endpoint = config.NewURL(metrics)
		}
		c.Tracing.Enabled, c.Tracing.SampleRate, c.Traffic.Timeout = true, 1, 100*time.Millisecond
	}))
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []int) ([]int, error) { <-release; return in, nil })
	h, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	call(h, http.MethodPost, path, `{"items":[1]}`)
	if err = app.Shutdown(t.Context()); err != nil {
		shutdownError = err.Error()
	}
	if again := app.Shutdown(t.Context()); !errors.Is(again, err) {
		t.Errorf("then %v, before %v", again, err)
	}
	return shutdownError, remote
}

// cutting is an app with shutdown.grace of one second.
type cutting struct {
	*server
	log *logBuffer
}

// endLog ends Serve and returns the lines of the access log so far, because a program
// would end here.
func (c *cutting) endLog() string {
	c.t.Helper()
	err := c.end()
	check.Error(c.t, err, "shutdown.grace: connections with an unfinished request, cut off after 1s: 1")
	return c.lines()
}

func (c *cutting) lines() string {
	var lines string
	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, "path=/") {
			lines += line
		}
	}
	return lines
}

// cutters has the ways in which a request reaches its function. For each, the request
// must be logged when shutdown.grace ends.
var cutters = map[string]struct {
	http2 bool
	opts  []runtime.Option
	use   []func(http.Handler) http.Handler
}{

	"HTTP/1":     {},
	"HTTP/2":     {http2: true},
	"traced":     {opts: []runtime.Option{runtime.WithTracerProvider(sdktrace.NewTracerProvider())}},
	"middleware": {use: []func(http.Handler) http.Handler{wrap, buffering}},
}

// cuttingAfter sets shutdown.grace.
func cuttingAfter(grace time.Duration, format string) func(*config.Config) {
	return func(cfg *config.Config) {
		cfg.Shutdown.Grace, cfg.Logging.Format, cfg.HTTP.H2C = grace, format, true
	}
}

func cut(t *testing.T, how string, format string, declare func(*runtime.App), opts ...runtime.Option) *cutting {
	t.Helper()
	log, way := &logBuffer{}, cutters[how]
	app := newApp("Slow", slices.Concat(way.opts, []runtime.Option{runtime.WithLogger(textLogger(log)), settings(cuttingAfter(time.Second, format))}, opts)...)
	app.Use(way.use...)
	declare(app)
	if way.http2 {
		return &cutting{serveH2C(t, app), log}
	}
	return &cutting{servePipe(t, app), log}
}

// A request that is cut off at the end of shutdown.grace has one log line with
// cut=true before Serve returns. Its function may obey its context, obey it late, or
// ignore it.
func TestCutRequestsAreLogged(t *testing.T) {
	for how := range cutters {
		for format, want := range map[string]string{
			"text":    `^time=\S+ level=WARN msg=request method=POST path=/work route=/work status=0 .* cut=true\n$`,
			"bentoml": `^time=\S+ level=WARN msg=".*path=/work,type=application/json,length=2\) \(status=0,type=,length=0\) [\d.]+ms.*" cut=true\n$`,
		} {
			for name, work := range map[string]func(context.Context){
				"heeds":   func(ctx context.Context) { <-ctx.Done() },
				"tidies":  func(ctx context.Context) { <-ctx.Done(); time.Sleep(time.Second) },
				"ignores": func(context.Context) { time.Sleep(50 * time.Second) },
			} {
				t.Run(how+", "+format+", "+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						entered := make(chan struct{})
						c := cut(t, how, format, func(app *runtime.App) {
							runtime.Handle(app, "work", func(ctx context.Context, _ text) (string, error) {
								close(entered)
								work(ctx)
								return "late", ctx.Err()
							})
						})
						failed := make(chan error, 1)
						go func() {
							_, err := c.try("POST", "/work", "{}")
							failed <- err
						}()
						<-entered
						got := c.endLog()
						if err := <-failed; err == nil {
							t.Error("the client has a response")
						}
						if !regexp.MustCompile(want).MatchString(got) {
							t.Errorf("got\n%s\nwant %s", got, want)
						}
						time.Sleep(time.Minute) // until the function has returned
						if later := c.lines(); later != got {
							t.Errorf("when Serve returned there was\n%s\nand later\n%s", got, later)
						}
					})
				})
			}
		}
	}
}

// A response that is cut off in the middle is logged with the status that was
// sent, the bytes that were sent, and cut=true.
func TestCutResponsesAreLogged(t *testing.T) {
	const size = 50 << 20
	for how := range cutters {
		if how == "middleware" {
			continue // buffering middleware sends nothing
		}
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cut(t, how, "text", func(app *runtime.App) {
					runtime.Handle(app, "large", func(context.Context, text) (string, error) { return strings.Repeat("x", size), nil })
				})
				res := check.Value(c.http.Post(c.url+"/large", "application/json", strings.NewReader("{}")))(t)
				defer func() { _ = res.Body.Close() }()
				got := c.endLog()
				want := regexp.MustCompile(`^time=\S+ level=WARN msg=request method=POST path=/large route=/large status=200 .* response_type="text/plain; charset=utf-8" response_bytes=(\d+) .* request_id=[0-9a-f]{16} .*cut=true\n$`)
				found := want.FindStringSubmatch(got)
				if found == nil {
					t.Fatalf("got\n%s\nwant %s", got, want)
				}
				if sent, _ := strconv.Atoi(found[1]); sent >= size || sent == 0 && res.ProtoMajor == 1 {
					t.Errorf("%d bytes were sent", sent)
				}
			})
		})
	}
}

// Drain cuts nothing off if every client has its response: not an idle connection, nor
// one whose function outlives its 504. It does not wait for that function.
func TestNothingToCut(t *testing.T) {
	for how := range cutters {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cut(t, how, "text", func(app *runtime.App) {
					runtime.Handle(app, "wait", func(context.Context, text) (string, error) {
						time.Sleep(time.Hour)
						return "late", nil
					}, runtime.Timeout(time.Second))
					runtime.Handle(app, "echo", named("echo"))
				}, settings(cuttingAfter(time.Minute, "text")))
				c.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
				c.post("/echo", "{}").want(t, 200, "echo")
				start := time.Now()
				check.OK(t, c.end())
				if took := time.Since(start); took > 2*time.Second { // on HTTP/2, net/http waits for one second
					t.Errorf("drain took %s", took)
				}
				if got := c.log.String(); !strings.Contains(got, `msg="functions still run after their 504; the app does not wait for them" functions=1`) || strings.Contains(got, "cut=true") {
					t.Errorf("logged %s", got)
				}
				c.http.CloseIdleConnections()
				time.Sleep(time.Hour) // until the function has returned
			})
		})
	}
}
