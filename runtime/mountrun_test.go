package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The label is known before the handler runs.
func TestMountInProgress(t *testing.T) {
	app := newApp("Progress")
	var h http.Handler
	mux := http.NewServeMux()
	mux.HandleFunc("GET /now/{id}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, samplesOf(h, "in_progress", `"/app/now/{id}"`))
	})
	app.Mount("/app", mux)
	h = handler(t, app)
	check.Contains(t, call(h, "GET", "/app/now/1", ""), "} 1.0\n")
}

// A panic is a 500, http.ErrAbortHandler cuts the response, and Goexit is a 500. Each
// is counted; a panic is logged with the stack of its goroutine.
func TestMountFails(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		for name, timeout := range map[string]time.Duration{"no timeout": 0, "timeout": time.Minute} {
			log, logger := textLog(slog.LevelWarn)
			app := newApp("Fails", traffic(timeout, 0), logger)
			app.Mount("/fail", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/panic":
					panic("boom")
				case "/abort":
					panic(http.ErrAbortHandler)
				case "/exit":
					if !host.inline && timeout == 0 { // it would end the server's goroutine, or the test
						panic("exit")
					}
					goruntime.Goexit()
				case "/late":
					_, _ = io.WriteString(w, "a part")
					_ = http.NewResponseController(w).Flush()
					panic("late")
				}
			}))
			s := host.start(t, app)
			s.do("GET", "/fail/panic", "").want(t, 500, masked)
			check.Contains(t, log.String(), `error="panic: boom"`, "TestMountFails")
			log.reset()
			if _, err := s.try("POST", "/fail/abort", ""); err == nil {
				t.Errorf("%s: abort: no error", name)
			}
			check.Equal(t, log.String(), "")
			s.do("GET", "/fail/exit", "").want(t, 500, masked)
			if _, err := s.try("POST", "/fail/late", ""); err == nil {
				t.Errorf("%s: late: no error", name)
			}
			synctest.Wait()
			check.Equal(t, s.samples("request_total", `"/fail"`, `"500"`), "bentoml_service_request_total{endpoint=\"/fail\",http_response_code=\"500\"} 4.0\n")
			check.Equal(t, s.samples("in_progress", `"/fail"`), "bentoml_service_request_in_progress{endpoint=\"/fail\"} 0.0\n")
		}
	})
}

// slowly returns a handler that ignores its context: /never waits for release and changes its
// header meanwhile, /stream sends three chunks.
func slowly(t *testing.T, release <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/never":
			go func() {
				<-r.Context().Done()
				if cause := context.Cause(r.Context()); !strings.Contains(cause.Error(), "504") {
					t.Errorf("the context ended with %v", cause)
				}
			}()
			for done := false; !done; {
				select {
				case <-release:
					done = true
				case <-time.After(100 * time.Millisecond):
					w.Header().Set("X-Tick", "tick")
				}
			}
			_, _ = io.WriteString(w, "late")
		case "/stream":
			for range 3 {
				_, _ = io.WriteString(w, "tick")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}
	}
}

// traffic.timeout limits the time to the beginning of a response, also if the handler
// ignores its context; then its later writes are dropped, and it holds its slot until it
// returns. Middleware sees the status, and no data race.
func TestMountTimeout(t *testing.T) {
	for name, middleware := range around {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				log, logger := textLog(slog.LevelWarn)
				app := newApp("Slow", traffic(time.Second, 1), logger)
				release := make(chan struct{})
				app.Mount("/slow", slowly(t, release))
				inner := &spy{}
				if middleware != nil {
					app.Use(middleware, inner.use)
				}
				s, began := host.start(t, app), time.Now()
				got := s.do("GET", "/slow/never", "")
				got.want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
				if took := time.Since(began); took != time.Second {
					t.Errorf("the response came after %s", took)
				}
				if tick := got.header.Get("X-Tick"); tick != "" {
					t.Errorf("the header of the handler was sent: %s", tick)
				}
				s.do("GET", "/slow/x", "").want(t, 429, `{"error":"Too many requests"}`)
				check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 1.0\n")
				close(release)
				synctest.Wait()
				check.Equal(t, s.samples("ekiben_http_overdue")+s.samples("traffic_concurrency"), "ekiben_http_overdue{} 0.0\nekiben_traffic_concurrency{} 0.0\n")
				if !slices.Contains([]string{"buffering", "compressing", "compressing from 1 kB"}, name) {
					s.do("GET", "/slow/stream", "").want(t, 200, "tickticktick")
				}
				check.Contains(t, log.String(), `api=/slow error="504 Gateway Timeout`)
				check.Contains(t, s.samples("request_total", `"/slow"`, `"504"`), " 1.0")
				if saw := inner.statuses(); middleware != nil && !slices.Equal(saw, []int{504, 429}) {
					t.Errorf("middleware saw %v", saw)
				}
			})
		})
	}
}

// A timeout that finds a response that has begun, or a connection that was taken over,
// leaves the deadline of the handler's writes as it is.
func TestMountTimeoutKeepsDeadlines(t *testing.T) {
	for name, writer := range map[string]func(http.ResponseWriter) (io.Writer, error){
		"begun": func(w http.ResponseWriter) (io.Writer, error) {
			control := http.NewResponseController(w)
			return w, errors.Join(control.Flush(), control.SetWriteDeadline(time.Now().Add(3*time.Second)))
		},
		"taken over": func(w http.ResponseWriter) (io.Writer, error) {
			conn, _, err := http.NewResponseController(w).Hijack()
			check.OK(t, err)
			return conn, conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				if !host.inline { // without deadlines
					return
				}
				app := newApp("Slow", traffic(time.Second, 0))
				ended := make(chan time.Duration, 1)
				app.Mount("/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					begin := time.Now()
					to, err := writer(w)
					check.OK(t, err)
					time.Sleep(2 * time.Second) // until after the timeout
					_, err = to.Write(make([]byte, 1<<20))
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("got %v", err)
					}
					ended <- time.Since(begin)
					if conn, ok := to.(io.Closer); ok {
						_ = conn.Close()
					}
				}))
				conn := host.start(t, app).dial()
				defer conn.Close()
				defer time.AfterFunc(10*time.Second, func() { _ = conn.Close() }).Stop() // the write must not hang
				_, _ = io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
				if name == "begun" { // for Flush
					check.Equal(t, check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t).StatusCode, 200)
				}
				check.Equal(t, <-ended, 3*time.Second)
			})
		})
	}
}

// A timeout of one mount, by its path.
func TestMountEndpointLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Limits", settings(func(c *config.Config) {
			c.Traffic.Endpoints = map[string]config.EndpointTraffic{"/app": {Timeout: new(2 * time.Second)}}
		}))
		app.Mount("/app", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		s := servePipe(t, app)
		s.do("GET", "/app/x", "").want(t, 504, `{"error":"Not able to process the request in 2 seconds"}`)
	})
}

// http.max_body_size limits the body of a mount too.
func TestMountBody(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Body", settings(func(c *config.Config) { c.HTTP.H2C, c.HTTP.MaxBodySize = true, 10 }))
		app.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %v", body, err)
		}))
		s := host.start(t, app)
		s.post("/app/x", "0123456789").want(t, 200, "0123456789 <nil>")
		s.post("/app/x", "0123456789a").want(t, 413, `{"error":"The request body must be at most 10 bytes"}`)
		if host.name == "direct" { // where a body always has its length
			return
		}
		request := check.Value(http.NewRequest("POST", s.url+"/app/x", io.MultiReader(strings.NewReader("0123456789a"))))(t)
		res := check.Value(s.http.Do(request))(t)
		check.Equal(t, readAll(t, res), "0123456789 http: request body too large")
	})
}

// Middleware, CORS and the context work as for APIs.
func TestMountContext(t *testing.T) {
	log, logger := textLog(slog.LevelInfo)
	app := newApp("Context", logger)
	app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("X-Route", runtime.RequestFrom(r.Context()).Route())
		next.ServeHTTP(w, r)
	}))
	inner := runtime.Handle(app, "inner", func(context.Context, struct{}) (string, error) { return "called", nil })
	app.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runtime.Logger(r.Context()).Info("from the handler")
		if runtime.ResponseFrom(r.Context()) != nil {
			t.Error("there is a Response beside the ResponseWriter")
		}
		result, err := inner.Call(r.Context(), struct{}{})
		w.Header().Set("X-Id", runtime.RequestFrom(r.Context()).ID())
		_, _ = fmt.Fprint(w, result, err)
	}))
	h, w := handler(t, app), httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/app/x?q=1", http.NoBody))
	id := w.Header().Get("X-Bentoml-Request-Id")
	check.Equal(t, w.Body.String()+w.Header().Get("X-Route"), "called<nil>/app")
	check.Equal(t, w.Header().Get("X-Id"), id)
	check.Contains(t, log.String(), `msg="from the handler" request_id=`+id, "path=/app/x route=/app status=200")
}

// A proxy may forward an upgrade. The connection is waited for when the app ends, and cut
// after shutdown.grace.
func TestMountedProxyUpgrades(t *testing.T) {
	for _, name := range []string{"ends", "is cut"} {
		t.Run(name, func(t *testing.T) {
			log, logger := newAwaited(t)
			left := make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {}))
			upstream.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, buffered, err := http.NewResponseController(w).Hijack()
				check.OK(t, err)
				defer conn.Close()
				defer close(left)
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
				line, _ := buffered.ReadString('\n')
				_, _ = io.WriteString(conn, line)
			})
			t.Cleanup(upstream.Close)
			app := newApp("Proxy", settings(func(c *config.Config) {
				c.Shutdown.Grace, c.Shutdown.Idle = 100*time.Millisecond, 0
				if name == "ends" {
					c.Shutdown.Grace = patience
				}
			}), logger)
			target := check.Value(url.Parse(upstream.URL))(t)
			app.Mount("/proxy", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
			s := serve(t, app)
			conn := s.dial()
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = io.WriteString(conn, "GET /proxy/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			reader := bufio.NewReader(conn)
			res := check.Value(http.ReadResponse(reader, nil))(t)
			check.Equal(t, res.StatusCode, 101)
			s.stop()
			log.await("draining")
			if name == "ends" {
				_, _ = io.WriteString(conn, "ping\n")
				check.Equal(t, check.Value(reader.ReadString('\n'))(t), "ping\n")
				<-left
				check.OK(t, s.end())
				return
			}
			check.Error(t, s.end(), "shutdown.grace: sockets and other connections that handlers had taken over, cut off after 100ms: 1")
			<-left
			log.await("cut=true")
		})
	}
}

// belated is middleware's writer that sets a header when the handler begins its response, and
// sends all of it later.
type belated struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (b *belated) WriteHeader(status int) {
	b.status = status
	b.Header().Set("X-Begun", "yes")
}

func (b *belated) Write(p []byte) (int, error) {
	b.body = append(b.body, p...)
	return len(p), nil
}

// What middleware sets after the handler has begun its response is sent, and so are the
// handler's trailers. What the handler sets too late is not.
func TestMountHeaders(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Headers", traffic(time.Minute, 0))
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			b := &belated{ResponseWriter: w}
			next.ServeHTTP(b, r)
			if b.status != 0 {
				w.WriteHeader(b.status)
			}
			_, _ = w.Write(b.body)
		}))
		app.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Handler", "yes")
			if r.URL.Path == "/empty" {
				return
			}
			w.Header().Set("Trailer", "X-End")
			w.WriteHeader(201)
			_, _ = io.WriteString(w, "a")
			w.Header().Set("X-Late", "yes")
			w.Header().Set("X-End", "yes")
		}))
		s := host.start(t, app)
		s.do("GET", "/app/empty", "").want(t, 200, "").has(t, "X-Handler", "yes")
		res := check.Value(s.http.Get(s.url + "/app/x"))(t)
		check.Equal(t, readAll(t, res), "a")
		check.Equal(t, res.StatusCode, 201)
		answer{header: res.Header}.has(t, "X-Handler", "yes", "X-Begun", "yes", "X-Late", "")
		check.Equal(t, res.Trailer.Get("X-End"), "yes")
	})
}

// Middleware sees http.ErrAbortHandler as it is, also of a handler in a goroutine of its
// own: it tells that the response is cut.
func TestMountAbortsBelowMiddleware(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Mounted", settings(func(c *config.Config) { c.HTTP.H2C = true }))
		var seen any
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					if seen = recover(); seen == http.ErrAbortHandler {
						panic(seen)
					}
				}()
				next.ServeHTTP(w, r)
			})
		})
		app.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a part")
			panic(http.ErrAbortHandler)
		}))
		s := host.start(t, app)
		if got, err := s.try("GET", "/app", ""); err == nil {
			t.Errorf("the response looks like a whole one: %d %s", got.status, got.body)
		}
		check.Equal(t, seen, any(http.ErrAbortHandler))
	})
}
