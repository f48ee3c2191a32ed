package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// through returns middleware that calls serve, which may call next.
func through(serve func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, next) })
	}
}

// middlewareOf returns middleware that calls before, which reports whether to call
// the next handler.
func middlewareOf(before func(http.ResponseWriter, *http.Request) bool) func(http.Handler) http.Handler {
	return through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if before(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// textLog logs into a buffer.
func textLog(level slog.Level) (*logBuffer, runtime.Option) {
	log := &logBuffer{}
	return log, runtime.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})))
}

// A client that hangs up is counted as 200, or as configured as 499, and once in a
// separate metric, also if its stream then begins.
func TestHangUp(t *testing.T) {
	for status, counted := range map[int]string{200: "200", 499: "499"} {
		bubbles(t, func(t *testing.T, host host) {
			app := newApp("Gone", settings(func(c *config.Config) { c.HTTP.H2C, c.Metrics.ClientClosed = true, status }))
			entered := make(chan struct{})
			runtime.Handle(app, "wait", func(ctx context.Context, _ text) (string, error) {
				entered <- struct{}{}
				<-ctx.Done()
				return "", ctx.Err()
			})
			runtime.HandleStream(app, "stream", func(ctx context.Context, _ text) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					entered <- struct{}{}
					<-ctx.Done()
					yield("late", nil)
				}
			})
			s := host.start(t, app)
			for i, path := range []string{"/wait", "/stream"} {
				ctx, hangUp := context.WithCancel(context.Background())
				r, _ := http.NewRequestWithContext(ctx, "POST", s.url+path, strings.NewReader("{}"))
				done := make(chan error, 1)
				go func() {
					response, err := s.http.Do(r)
					if err == nil {
						err = response.Body.Close()
					}
					done <- err
				}()
				<-entered
				hangUp()
				if err := <-done; err == nil && host.name != "direct" {
					t.Fatal("the client got a response")
				}
				synctest.Wait()
				check.Equal(t, s.samples("ekiben_http_disconnects_total"), fmt.Sprintf("ekiben_http_disconnects_total{} %d.0\n", i+1))
				check.Equal(t, s.samples("request_total", `"`+path+`"`, " 1.0"), "bentoml_service_request_total{endpoint=\""+path+"\",http_response_code=\""+counted+"\"} 1.0\n")
			}
		})
	}
}

// Code that calls runtime.Goexit, as a test's FailNow does, gets a 500. It releases
// its slot and leaves no timer that fires later.
func TestGoexit(t *testing.T) {
	for _, timeout := range []time.Duration{300 * time.Millisecond, 0} {
		bubbles(t, func(t *testing.T, host host) {
			app := newApp("Exiting", traffic(timeout, 1))
			runtime.Handle(app, "f", func(_ context.Context, in text) (string, error) {
				if in.Text == "exit" {
					goruntime.Goexit()
				}
				return in.Text, nil
			})
			app.Use(middlewareOf(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Exit") != "" {
					goruntime.Goexit()
				}
				return true
			}))
			s := host.start(t, app)
			if !host.inline && timeout == 0 { // the handler's goroutine ends: HTTP/2 resets the stream
				return
			}
			want := " 3.0\n"
			for range 3 {
				s.post("/f", `{"text":"exit"}`).want(t, 500, masked)
				s.post("/f", `{"text":"x"}`).want(t, 200, "x")
				if host.inline {
					want = " 6.0\n"
					s.do("POST", "/f", `{"text":"x"}`, "Exit", "yes").want(t, 500, masked)
				}
			}
			time.Sleep(2 * timeout)
			s.post("/f", `{"text":"x"}`).want(t, 200, "x")
			if got := s.samples("request_total{", `http_response_code="500"`, `endpoint="/f"`); !strings.HasSuffix(got, want) {
				t.Errorf("got %q", got)
			}
			check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
		})
	}
}

// Middleware that returns at its own deadline before its handler does responds once.
func TestAbandoningMiddleware(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		g := newGate()
		app := newApp("Abandoned", traffic(time.Second, 0))
		runtime.Handle(app, "wait", g.wait)
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			go next.ServeHTTP(httptest.NewRecorder(), r)
			time.Sleep(500 * time.Millisecond)
			http.Error(w, "theirs", http.StatusServiceUnavailable)
		}))
		s := host.start(t, app)
		s.post("/wait", "{}").want(t, 503, "theirs\n")
		time.Sleep(time.Second)
		close(g.release)
		synctest.Wait()
		check.Equal(t, s.samples("request_total", `"/wait"`, " 1.0"), "bentoml_service_request_total{endpoint=\"/wait\",http_response_code=\"503\"} 1.0\n")
		check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
	})
}

// failingApp is an app whose API and middleware fail as the request says.
func failingApp(options ...runtime.Option) *runtime.App {
	app := newApp("Failing", options...)
	runtime.Handle(app, "do", func(ctx context.Context, in text) (string, error) {
		switch runtime.Logger(ctx).Info("mine"); in.Text {
		case "late":
			time.Sleep(2 * time.Second)
		case "panic":
			panic("boom")
		case "fine":
			return runtime.RequestFrom(ctx).ID(), nil
		}
		return "", errors.New("boom")
	})
	app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("X-Before", "yes")
		switch r.URL.RawQuery {
		case "panic":
			panic("boom")
		case "refuse":
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}))
	return app
}

// Each response has an id. The access-log line and the line of a failure have the
// same id, also if the failure comes after the 504.
func TestIDs(t *testing.T) {
	ids := regexp.MustCompile(` request_id=(\S+)( trace_id=(\S+) span_id=\S+)?( |\n)`)
	for name, traced := range map[string]bool{"plain": false, "traced": true} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				log, logger := textLog(slog.LevelInfo)
				options := []runtime.Option{logger, settings(func(c *config.Config) {
					c.HTTP.H2C, c.HTTP.Response.TraceID, c.Traffic.Timeout = true, true, time.Second
				})}
				if traced {
					options = append(options, runtime.WithTracerProvider(sdktrace.NewTracerProvider()))
				}
				s := host.start(t, failingApp(options...))
				for _, test := range []struct {
					method, path, body string
					status, lines      int
				}{
					{"POST", "/do", `{"text":"fine"}`, 200, 2},
					{"POST", "/do", `{"text":"error"}`, 500, 3},
					{"POST", "/do", `{"text":"panic"}`, 500, 3},
					{"POST", "/do", `{"text":"late"}`, 504, 4},
					{"POST", "/do?panic", "{}", 500, 2},
					{"POST", "/do?refuse", "{}", 401, 1},
					{"POST", "/do", `{"text":1}`, 400, 1},
					{"GET", "/do", "", 405, 1},
					{"GET", "/nope", "", 404, 1},
					{"GET", "/schema.json", "", 200, 1},
					{"GET", "/", "", 200, 1},
					{"GET", "/readyz", "", 200, 0}, // skipped by logging.access.skip_paths
				} {
					before := len(log.String())
					got := s.do(test.method, test.path, test.body)
					if test.status == 504 {
						time.Sleep(2 * time.Second)
					}
					synctest.Wait()
					id, trace := got.header.Get("X-BentoML-Request-ID"), got.header.Get("X-BentoML-Trace-ID")
					if got.status != test.status || len(id) != 16 || (len(trace) == 32) != traced {
						t.Errorf("%s: got %+v", test.path, got)
					}
					if got.status == 200 && test.path == "/do" && got.body != id {
						t.Errorf("the function has the id %s, the response %s", got.body, id)
					}
					lines := ids.FindAllStringSubmatch(log.String()[before:], -1)
					wrong := slices.ContainsFunc(lines, func(line []string) bool { return line[1] != id || line[3] != trace })
					if wrong || len(lines) != test.lines {
						t.Errorf("%s %s: id %s, trace %s, logged\n%s", test.path, test.body, id, trace, log.String()[before:])
					}
				}
			})
		})
	}
}

func testReplacedContext(t *testing.T, host host, path string) {
	t.Helper()
	app := newApp("Hidden", traffic(time.Second, 0))
	runtime.Handle(app, "wait", func(ctx context.Context, in text) (string, error) {
		if in.Text == "slow" {
			time.Sleep(2 * time.Second)
		}
		return in.Text + runtime.RequestFrom(ctx).PathValue("name"), nil
	}, runtime.Route("/wait/{name}"))
	runtime.Handle(app, "other", func(context.Context, text) (string, error) { return "other", nil }, runtime.Route("/other/{name}"))
	app.Use(func(next http.Handler) http.Handler {
		return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(context.Background())
			if path != "" {
				r.URL.Path = path
			}
			next.ServeHTTP(w, r)
		}))
	})
	s := host.start(t, app)
	s.post("/wait/a", "{}").want(t, 200, "helloa")
	s.post("/wait/a", `{"text":"slow"}`).want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
	s.post("/nothing", "{}").want(t, 404, "Not Found")
	time.Sleep(2 * time.Second)
	want := `bentoml_service_request_total{endpoint="/wait/{name}",http_response_code="200"} 1.0
bentoml_service_request_total{endpoint="/wait/{name}",http_response_code="500"} 0.0
bentoml_service_request_total{endpoint="/wait/{name}",http_response_code="504"} 1.0
`
	check.Equal(t, s.samples("request_total", `"/wait`), want)
	check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
}
