package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// An answer at the deadline has the headers of every other one, and its line in
// the access log the same id; middleware may write headers before it and after.
func TestTimeoutSaysWhoseItIs(t *testing.T) {
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own server": serve, "foreign mux": foreign, "HTTP/2": http2} {
		for _, traced := range []bool{false, true} {
			if traced {
				name += ", traced"
			}
			t.Run(name, func(t *testing.T) {
				g := newGate()
				svc := runtime.NewService("Slow")
				runtime.Handle(svc, "wait", g.wait)
				svc.Use(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("X-Before", "yes")
						next.ServeHTTP(w, r)
						w.Header().Set("X-After", "yes")
					})
				})
				var log logBuffer
				options := []runtime.Option{runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), settings(func(c *config.Config) {
					c.Traffic.Timeout, c.HTTP.Response.TraceID = 20*time.Millisecond, true
				})}
				if traced {
					options = append(options, runtime.WithTracerProvider(sdktrace.NewTracerProvider()))
				}
				s := host(t, svc, options...)
				got := s.post("/wait", "{}")
				close(g.release)
				id := got.header.Get("X-BentoML-Request-ID")
				if got.status != 504 || got.header.Get("Server") != "" || len(id) != 16 || got.header.Get("X-Before") != "yes" {
					t.Errorf("got %+v", got)
				}
				if trace := got.header.Get("X-BentoML-Trace-ID"); (len(trace) == 32) != traced {
					t.Errorf("the trace's id is %q", trace)
				}
				eventually(t, "the line", func() bool { return strings.Contains(log.String(), " status=504 ") })
				if want := " request_id=" + id; !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s:\n%s", want, log.String())
				}
			})
		}
	}
}

// A 504 that is a function's own names the server, as its other errors do; so
// does that of a call which it passes on.
func TestFunctionsOwn504(t *testing.T) {
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own server": serve, "foreign mux": foreign, "HTTP/2": http2} {
		t.Run(name, func(t *testing.T) {
			slow, svc, g := runtime.NewService("Below"), runtime.NewService("Front"), newGate()
			wait := runtime.Handle(slow, "wait", g.wait)
			svc.DependsOn(slow)
			runtime.Handle(svc, "own", func(context.Context, text) (string, error) {
				return "", runtime.Errorf(http.StatusGatewayTimeout, "the store is slow")
			})
			runtime.Handle(svc, "passed", func(ctx context.Context, in text) (string, error) { return wait.Call(ctx, in) })
			s := host(t, svc, settings(func(c *config.Config) {
				c.Services = map[string]config.Service{"Below": {Traffic: config.ServiceTraffic{Timeout: new(10 * time.Millisecond)}}}
			}))
			for _, path := range []string{"/own", "/passed"} {
				if got := s.post(path, "{}"); got.status != 504 || got.header.Get("Server") != "BentoML Service/Front" {
					t.Errorf("%s: got %+v", path, got)
				}
			}
			close(g.release)
		})
	}
}

// What a function returns after its 504 is logged, but not that it ended because
// of its timeout.
func TestLateFailuresAreLogged(t *testing.T) {
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own server": serve, "HTTP/2": http2} {
		t.Run(name, func(t *testing.T) {
			below, svc := runtime.NewService("Below"), runtime.NewService("Late")
			wait := runtime.Handle(below, "wait", func(ctx context.Context, _ text) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			})
			svc.DependsOn(below)
			var release chan struct{}
			ended := make(chan struct{})
			runtime.Handle(svc, "late", func(ctx context.Context, in text) (string, error) {
				defer func() { ended <- struct{}{} }()
				<-release
				switch in.Text {
				case "deadline":
					return "", ctx.Err()
				case "cancelled":
					return "", fmt.Errorf("reading: %w", context.Canceled)
				case "below":
					return wait.Call(context.WithoutCancel(ctx), in)
				case "panic":
					panic("boom")
				case "teapot":
					return "", runtime.Errorf(http.StatusTeapot, "boom")
				}
				return "", errors.New("boom")
			})
			var log logBuffer
			s := host(t, svc, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))), traffic(20*time.Millisecond, 0))
			late := func(what string) {
				release = make(chan struct{})
				if got := s.post("/late", `{"text":"`+what+`"}`); got.status != 504 {
					t.Errorf("%s: got %+v", what, got)
				}
				close(release)
				<-ended
			}
			for _, ordinary := range []string{"deadline", "cancelled", "below"} {
				late(ordinary)
			}
			for i, failure := range []string{"error", "panic", "teapot"} {
				late(failure)
				eventually(t, "the line", func() bool { return strings.Count(log.String(), "boom") > i })
			}
			if got := log.String(); strings.Count(got, "after its timeout: ") != 3 {
				t.Errorf("got\n%s", got)
			}
		})
	}
}
