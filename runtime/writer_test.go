package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
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
		"refuses":         {func(context.Context) error { return runtime.Errorf(http.StatusConflict, "taken") }, "", "409", "level=WARN"},
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
					app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
						_, _ = io.WriteString(w, `{"data":`)
						next.ServeHTTP(wrap(w), r)
						_, _ = io.WriteString(w, `}`)
					}))
					runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (int, error) { return 1, test.fail(ctx) })
					s := host.start(t, app)
					got, err := s.try("POST", "/f", "{}")
					if (err == nil) != (test.body != "") || err == nil && (got.status != 200 || got.body != test.body) {
						t.Errorf("got %v, %v", got, err)
					}
					synctest.Wait()
					check.Contains(t, s.samples("request_total", `"/f"`, " 1.0"), `"`+test.counted+`"`)
					const closed = `error="connection closed: the response had begun when the function failed: `
					if got := log.String(); !strings.Contains(got, test.logged) || strings.Contains(got, closed) != (test.body == "") {
						t.Errorf("logged %s", got)
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
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			go next.ServeHTTP(w, r)
			time.Sleep(time.Second)
			http.Error(w, "given up", http.StatusServiceUnavailable)
		}))
		runtime.Handle(app, "f", func(context.Context, struct{}) (string, error) { time.Sleep(2 * time.Second); return "late", nil })
		s := host.start(t, app)
		s.post("/f", "{}").want(t, 503, "given up\n")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		check.Contains(t, s.samples("request_total", `"/f"`, " 1.0"), `"503"`)
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
		response := check.Value(s.http.Post(s.url+"/f", "", nil))(t)
		_ = response.Body.Close()
		synctest.Wait()
		if got := s.samples("request_total", `"/f"`, " 1.0") + s.samples("disconnects"); !strings.Contains(got, `"499"`) || !strings.HasSuffix(got, " 1.0\n") {
			t.Errorf("counted %s", got)
		}
		if !strings.Contains(log.String(), "path=/f route=/f status=499") || !strings.Contains(log.String(), "disconnected=true") {
			t.Errorf("logged %s", log.String())
		}
	})
}

// A panic after the response has begun is counted as a 500 and logged. The connection
// is closed, so that the client does not take a partial response for a whole one.
func TestFlushBeforeAPanic(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "hidden" { // the writer cannot flush
			return
		}
		log, logger := textLog(slog.LevelError)
		app := newEcho(traffic(time.Minute, 0), logger)
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Before", "yes")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
			panic("boom")
		}))
		s := host.start(t, app)
		if got, err := s.try("POST", "/echo", "{}"); err == nil {
			t.Errorf("got %v", got)
		}
		check.Contains(t, s.samples("request_total", `"/echo"`, " 1.0"), `"500"`)
		check.Contains(t, log.String(), `error="panic: boom"`)
	})
}

// Middleware may stream a response.
func TestFlush(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if !host.inline {
			return
		}
		proceed := make(chan struct{})
		app := newEcho(traffic(time.Minute, 0))
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "first ")
			w.(http.Flusher).Flush()
			<-proceed
			_, _ = io.WriteString(w, "second")
			return false
		}))
		s := host.start(t, app)
		response := check.Value(s.http.Post(s.url+"/echo", "", nil))(t)
		first := make([]byte, 6)
		if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "first " {
			t.Errorf("got %q, %v", first, err)
		}
		close(proceed)
		check.Equal(t, readAll(t, response), "second")
		synctest.Wait()
		if got := s.samples("in_progress", `"/echo"`); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("got %s", got)
		}
	})
}

// Middleware may take over the connection, and use it after its handler has returned.
func TestHijack(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if !host.inline {
			return
		}
		app := newEcho(traffic(time.Minute, 0))
		app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return false
			}
			go func() { // after the handler has returned, with the body unread
				body := make([]byte, r.ContentLength)
				_, err := io.ReadFull(buffered, body)
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 299 Ours\r\nConnection: close\r\n\r\n%s %v", body, err)
				_ = conn.Close()
			}()
			return false
		}))
		s := host.start(t, app)
		slow, send := io.Pipe()
		go func() {
			time.Sleep(10 * time.Second)
			_, _ = io.WriteString(send, "{}")
			_ = send.Close()
		}()
		request := check.Value(http.NewRequest(http.MethodPost, s.url+"/echo", slow))(t)
		request.ContentLength = 2
		hijacked := check.Value(s.http.Do(request))(t)
		if got := readAll(t, hijacked); hijacked.StatusCode != 299 || got != "{} <nil>" {
			t.Errorf("got %d %q", hijacked.StatusCode, got)
		}
		synctest.Wait() // the client may get its response before the handler returns
		if got := s.samples("in_progress", `"/echo"`); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("got %s", got)
		}
	})
}

// A panic after middleware took over the connection is counted and logged. Nothing is
// written to the connection, which belongs to the middleware.
func TestPanicAfterHijack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := textLog(slog.LevelWarn)
		app := newEcho(logger)
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return false
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 299 Ours\r\nConnection: close\r\n\r\nhi")
			_ = conn.Close()
			panic("boom")
		}))
		s := servePipe(t, app)
		s.post("/echo", "{}").want(t, 299, "hi")
		synctest.Wait()
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `error="panic: boom"`) {
			t.Errorf("logged %s", got)
		}
		check.Contains(t, s.samples("request_total", `"/echo"`, " 1.0"), `"500"`)
	})
}

// After middleware took over the connection, the timeout of an API that it still calls
// writes nothing.
func TestTimeoutAfterHijack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := textLog(slog.LevelWarn)
		app := newApp("Slow", traffic(time.Second, 0), logger)
		runtime.Handle(app, "wait", func(context.Context, struct{}) (string, error) {
			time.Sleep(time.Minute)
			return "late", nil
		})
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 299 Ours\r\nConnection: close\r\n\r\n%s", recorder.Body)
			_ = conn.Close()
		}))
		s := servePipe(t, app)
		s.post("/wait", "{}").want(t, 299, "late")
		check.Equal(t, log.String(), "")
	})
}
