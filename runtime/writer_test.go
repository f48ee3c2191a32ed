package runtime_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A response that middleware has begun is completed by the function, however late,
// or cut: a part of it never looks like all of it.
func TestResponseThatHasBegun(t *testing.T) {
	for name, test := range map[string]struct {
		fail    func(context.Context) error
		body    string // "": the response is cut
		counted string
		logged  string
	}{
		"in time":         {func(context.Context) error { return nil }, `{"data":1}`, "200", ""},
		"late":            {func(context.Context) error { time.Sleep(time.Minute); return nil }, `{"data":1}`, "200", ""},
		"heeds its limit": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "", "504", "Not able to process the request in 1 seconds"},
		"fails":           {func(context.Context) error { return errors.New("boom") }, "", "500", "boom"},
		"refuses":         {func(context.Context) error { return runtime.Errorf(http.StatusConflict, "taken") }, "", "409", ""},
		"panics":          {func(context.Context) error { panic("boom") }, "", "500", "panic: boom"},
	} {
		for wrapper, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
			"":                 func(w http.ResponseWriter) http.ResponseWriter { return w },
			", without Unwrap": func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} },
		} {
			t.Run(name+wrapper, func(t *testing.T) {
				bubbles(t, func(t *testing.T, host host) {
					log, logger := textLog(slog.LevelInfo)
					app := newApp("Begun", traffic(time.Second, 1), logger)
					app.Use(func(next http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							_, _ = io.WriteString(w, `{"data":`)
							next.ServeHTTP(wrap(w), r)
							_, _ = io.WriteString(w, `}`)
						})
					})
					runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (int, error) { return 1, test.fail(ctx) })
					s := host.start(t, app)
					got, err := s.try("POST", "/f", "{}")
					if (err == nil) != (test.body != "") || err == nil && (got.status != 200 || got.body != test.body) {
						t.Errorf("got %v, %v", got, err)
					}
					synctest.Wait()
					if got := s.samples("request_total", `"/f"`, " 1.0"); !strings.Contains(got, `"`+test.counted+`"`) {
						t.Errorf("counted %s", got)
					}
					if !strings.Contains(log.String(), test.logged) {
						t.Errorf("logged %s", log.String())
					}
				})
			})
		}
	}
}

// Middleware that gives up on a function that it runs elsewhere has responded: what
// the function gives later is dropped.
func TestMiddlewareThatGivesUp(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Given", traffic(time.Minute, 0))
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				go next.ServeHTTP(w, r)
				time.Sleep(time.Second)
				http.Error(w, "given up", http.StatusServiceUnavailable)
			})
		})
		runtime.Handle(app, "f", func(context.Context, struct{}) (string, error) { time.Sleep(2 * time.Second); return "late", nil })
		s := host.start(t, app)
		s.post("/f", "{}").want(t, 503, "given up\n")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.samples("request_total", `"/f"`, " 1.0"); !strings.Contains(got, `"503"`) {
			t.Errorf("counted %s", got)
		}
	})
}

// A client that hangs up in the middle of a response is counted as such.
func TestHangUpAfterTheResponseHasBegun(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" || host.name == "hidden" { // the client gets nothing before the end
			return
		}
		log, logger := textLog(slog.LevelInfo)
		app := newApp("Begun", logger, settings(func(c *config.Config) { c.HTTP.H2C, c.Metrics.ClientClosed = true, 499 }))
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			return true
		}))
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) { <-ctx.Done(); return "", ctx.Err() })
		s := host.start(t, app)
		response, err := s.http.Post(s.url+"/f", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		synctest.Wait()
		if got := s.samples("request_total", `"/f"`, " 1.0") + s.samples("disconnects"); !strings.Contains(got, `"499"`) || !strings.HasSuffix(got, " 1.0\n") {
			t.Errorf("counted %s", got)
		}
		if !strings.Contains(log.String(), "path=/f status=499") || !strings.Contains(log.String(), "disconnected=true") {
			t.Errorf("logged %s", log.String())
		}
	})
}
