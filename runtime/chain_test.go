package runtime_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// Middleware returns at its own deadline at the same moment as the timeout of its
// function, which still runs. The server's writer is not used afterwards. The test
// uses the real clock: a bubble's clock would always fire the same timer first.
func TestMiddlewareThatReturnsAtTheDeadline(t *testing.T) {
	app := newApp("Slow", traffic(time.Minute, 0))
	app.Use(func(next http.Handler) http.Handler { return http.TimeoutHandler(next, 10*time.Millisecond, "late") })
	release := make(chan struct{})
	runtime.Handle(app, "wait", func(context.Context, struct{}) (string, error) { <-release; return "", nil })
	s := serve(t, app)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 10 {
				if got := s.post("/wait", "{}"); got.status != 503 && got.status != 504 {
					t.Errorf("got %v", got)
				}
			}
		})
	}
	clients.Wait()
	close(release)
}

// Middleware can set headers in all ways of net/http: in early hints, in trailers, and
// in addition to those of the function.
func TestHeadersOfMiddleware(t *testing.T) {
	app := newApp("Headers")
	app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		header := w.Header()
		header.Set("Link", "</hint>")
		header.Set("Trailer", "X-Trailer")
		w.WriteHeader(http.StatusEarlyHints)
		next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		header.Set("X-Trailer", "after")
		header.Set(http.TrailerPrefix+"X-Late", "too")
	}))
	runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
		runtime.ResponseFrom(ctx).AddHeader("Link", "</function>")
		return "x", nil
	})
	s := serve(t, app)
	var hint string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		hint = h.Get("Link")
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/f", strings.NewReader("{}"))
	res := check.Value(s.http.Do(r))(t)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	got := fmt.Sprint(string(body), hint, res.Header["Link"], res.Trailer.Get("X-Trailer"), res.Trailer.Get("X-Late"))
	if want := "x</hint>[</hint> </function>]aftertoo"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A handler that aborts is counted as a failure.
func TestAbort(t *testing.T) {
	app := newEcho()
	app.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	s := serve(t, app)
	if got, err := s.try("POST", "/echo", "{}"); err == nil {
		t.Errorf("got %v", got)
	}
	check.Contains(t, s.samples("request_total", `"/echo"`, " 1.0"), `"500"`)
}

// A log line has only the beginning of a long path.
func TestLongPath(t *testing.T) {
	for how, end := range map[string]func(){"returns": func() {}, "panics": func() { panic("oops") }, "exits": goruntime.Goexit} {
		log, logger := textLog(slog.LevelInfo)
		app := newEcho(logger)
		app.Use(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { end() })
		})
		h, ended := handler(t, app), make(chan struct{})
		go func() {
			defer close(ended)
			call(h, "POST", "/"+strings.Repeat("x", 90_000), "{}")
		}()
		<-ended
		if got := log.String(); !strings.Contains(got, "x… [90001 bytes]") || strings.Contains(got, strings.Repeat("x", 1024)) {
			t.Errorf("%s: logged %d bytes, %.300s", how, len(got), got)
		}
	}
}

// The client gets the 504 even if middleware panics while it writes it.
func TestTimeoutThroughPanickingMiddleware(t *testing.T) {
	for _, part := range []string{"Header", "WriteHeader", "Write", "Flush"} {
		t.Run(part, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				g, log := newGate(), &logBuffer{}
				app := newApp("Slow", traffic(250*time.Millisecond, 1), runtime.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
				runtime.Handle(app, "wait", g.wait)
				app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					next.ServeHTTP(&fragile{w, part}, r)
				}))
				s := host.start(t, app)
				if host.inline || part == "Flush" {
					s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 0.25 seconds"}`)
				} else {
					_, _ = s.try("POST", "/wait", "{}")
				}
				close(g.release)
				synctest.Wait()
				if got := strings.Count(log.String(), `error="panic: broken `+part); got != 1 && part != "Flush" {
					t.Errorf("the panic is logged %d times:\n%s", got, log.String())
				}
				if got := s.samples("request_total{", `"/wait"`, `http_response_code="200"`); !strings.HasSuffix(got, " 0.0\n") {
					t.Errorf("it is counted as a success: %s", got)
				}
			})
		})
	}
}

// fragile panics in one of its methods.
type fragile struct {
	http.ResponseWriter
	part string
}

func (w *fragile) at(part string) {
	if part == w.part {
		panic("broken " + part)
	}
}

func (w *fragile) Header() http.Header {
	w.at("Header")
	return w.ResponseWriter.Header()
}

func (w *fragile) WriteHeader(status int) {
	w.at("WriteHeader")
	w.ResponseWriter.WriteHeader(status)
}

func (w *fragile) Write(p []byte) (int, error) {
	w.at("Write")
	return w.ResponseWriter.Write(p)
}

func (w *fragile) Flush() { w.at("Flush") }

// Middleware may call an API again: each run may respond, and only the response that
// middleware passes on is sent. On HTTP/1, a 504 is sent at its deadline, whatever
// middleware does with it.
func TestRetryingMiddleware(t *testing.T) {
	for first, want := range map[string]int{"busy": 503, "slow": 504} {
		bubbles(t, func(t *testing.T, host host) {
			var runs, discarded atomic.Int64
			app := newApp("Retried", traffic(time.Minute, 0))
			runtime.Handle(app, "work", func(ctx context.Context, in text) (string, error) {
				if runs.Add(1) > 1 {
					runtime.ResponseFrom(ctx).SetHeader("X-Run", "2")
					time.Sleep(10 * time.Millisecond)
					return "second", nil
				}
				runtime.ResponseFrom(ctx).SetHeader("X-First", "yes")
				if first == "slow" {
					time.Sleep(25 * time.Millisecond) // ends while the second one runs
					return "first", nil
				}
				return "", runtime.Errorf(http.StatusServiceUnavailable, "busy")
			})
			app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				body, _ := io.ReadAll(r.Body)
				again := func(w http.ResponseWriter) {
					ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
					defer cancel()
					r := r.WithContext(ctx)
					r.Body = io.NopCloser(bytes.NewReader(body))
					next.ServeHTTP(w, r)
				}
				trial := httptest.NewRecorder()
				if again(trial); trial.Code == want {
					discarded.Add(1)
					again(w)
				}
			}))
			s := host.start(t, app)
			got := s.post("/work", "{}")
			if first == "slow" && host.inline {
				got.want(t, 504, `{"error":"Not able to process the request in 0.02 seconds"}`)
			} else {
				got.want(t, 200, "second")
				if got.header.Get("X-First") != "" || got.header.Get("X-Run") != "2" {
					t.Errorf("got the headers %v", got.header)
				}
			}
			time.Sleep(time.Second)
			if runs.Load() != 2 || discarded.Load() != 1 {
				t.Errorf("%d runs, %d of them discarded", runs.Load(), discarded.Load())
			}
			counted := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/work\",http_response_code=\"%d\"} 1.0\n", got.status)
			check.Equal(t, s.samples("request_total", `"/work"`, " 1.0"), counted)
			check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
		})
	}
}

// Each middleware is made once, whatever the number of routes, so that it may keep
// state of the app.
func TestMiddlewareIsMadeOnce(t *testing.T) {
	made, calls := 0, 0
	app := newEcho()
	app.Use(func(next http.Handler) http.Handler {
		made++
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			next.ServeHTTP(w, r)
		})
	})
	s := direct(t, app)
	s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
	s.post("/v1/lengths", `{"texts":["a"]}`).want(t, 200, "[1]")
	s.do("GET", "/schema.json", "")
	s.post("/nope", "")
	s.do("GET", "/livez", "").want(t, 200, "\n") // bypasses middleware
	if made != 1 || calls != 4 {
		t.Errorf("made %d times, called %d times", made, calls)
	}
}

// doubling writes everything twice, as a compressor changes the length of a body.
type doubling struct{ http.ResponseWriter }

func (d doubling) Write(p []byte) (int, error) {
	for range 2 {
		if _, err := d.ResponseWriter.Write(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Middleware may change the length of any small body, also that of an error.
func TestMiddlewareChangesTheLength(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newEcho(traffic(time.Minute, 0))
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(doubling{w}, r) })
		})
		s := host.start(t, app)
		s.post("/echo", `{"text":"a"}`).want(t, 200, "AA")
		const taken = `{"error":"no coffee"}`
		s.post("/echo", `{"text":"teapot"}`).want(t, http.StatusTeapot, taken+taken)
	})
}
