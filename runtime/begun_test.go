package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	goruntime "runtime"
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
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				log, logger := textLog(slog.LevelInfo)
				app := newApp("Begun", traffic(time.Second, 1), logger)
				app.Use(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.WriteString(w, `{"data":`)
						next.ServeHTTP(w, r)
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

// A function sees the request as middleware passed it on.
func TestRequestOfMiddleware(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Cloned", traffic(time.Minute, 0))
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r = r.Clone(r.Context())
				r.Header.Del("X-User")
				r.Header.Set("X-Auth", "checked")
				r.RemoteAddr = "198.51.100.7:1"
				next.ServeHTTP(w, r)
			})
		})
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			r := runtime.RequestFrom(ctx)
			return r.Header().Get("X-User") + r.Header().Get("X-Auth") + " " + r.Peer(), nil
		})
		host.start(t, app).do("POST", "/f", "{}", "X-User", "root").want(t, 200, "checked 198.51.100.7:1")
	})
}

// Middleware that replaces the context and hides the writer does not hide the route.
func TestRouteBehindOpaqueMiddleware(t *testing.T) {
	app := newApp("Opaque")
	app.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&fragile{ResponseWriter: w}, r.WithContext(context.Background()))
		})
	})
	runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
		return runtime.RequestFrom(ctx).Route() + " " + runtime.RequestFrom(ctx).PathValue("name"), nil
	}, runtime.Route("/m/{name}"))
	if got := call(handler(t, app), "POST", "/m/a", "{}"); got != "/m/{name} a" {
		t.Errorf("got %s", got)
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

// A body that is too slow ends with the timeout, which is what is logged.
func TestLogOfASlowBody(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" {
			return
		}
		log, logger := textLog(slog.LevelInfo)
		s := host.start(t, newEcho(traffic(time.Second, 0), logger))
		body, end := io.Pipe()
		r, _ := http.NewRequest("POST", s.url+"/echo", body)
		if response, err := s.http.Do(r); err == nil {
			_ = response.Body.Close()
		}
		_ = end.Close()
		synctest.Wait()
		if !strings.Contains(log.String(), "Not able to process the request in 1 seconds: the request body had not arrived") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("logged %s", log.String())
		}
	})
}

// The id of a request is there while its response waits for the client.
func TestIDWhileTheClientDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Large")
		ids := make(chan string)
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			go func() {
				time.Sleep(time.Second)
				ids <- runtime.RequestFrom(ctx).ID()
			}()
			return strings.Repeat("x", 50<<20), nil
		})
		s := servePipe(t, app)
		response, err := s.http.Post(s.url+"/f", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if id := <-ids; id == "" || id != response.Header.Get("X-BentoML-Request-ID") {
			t.Errorf("got %q", id)
		}
		_ = response.Body.Close()
	})
}

// A call in process is counted also if its function ends the goroutine.
func TestGoexitInACall(t *testing.T) {
	app := newApp("Front", traffic(0, 0))
	runtime.Handle(app, "f", func(context.Context, struct{}) (string, error) { return "", nil })
	other := runtime.Handle(app.AddService("Other"), "g", func(context.Context, struct{}) (string, error) { goruntime.Goexit(); return "", nil })
	h := handler(t, app)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = other.Call(context.Background(), struct{}{})
	}()
	<-done
	for family, want := range map[string]string{"in_progress{": " 0.0\n", "request_total{": " 1.0\n"} {
		if got := samplesOf(h, family, `"Other"`); !strings.HasSuffix(strings.ReplaceAll(got, `"200"} 0.0`+"\n", ""), want) {
			t.Errorf("got %s", got)
		}
	}
}

// A client that hangs up in the middle of a response is counted as such.
func TestHangUpAfterTheResponseHasBegun(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" {
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

// A refusal does not wait for a body that does not come.
func TestRefusalBeforeTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
		app := newEcho()
		app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Unknown") != "" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return false
			}
			return true
		}))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- app.Serve(ctx, listener) }()
		for head, want := range map[string]string{
			"POST /nope HTTP/1.1":                         "404",
			"PUT /echo HTTP/1.1":                          "405",
			"POST /echo HTTP/1.1\r\nContent-Encoding: br": "415",
			"POST /echo HTTP/1.1\r\nUnknown: yes":         "401",
			"GET /livez HTTP/1.1":                         "200",
		} {
			conn, err := listener.dial(ctx, "", "")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, head+"\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
			start := time.Now()
			got, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(got), "HTTP/1.1 "+want) || time.Since(start) > 2*time.Second {
				t.Errorf("%s: after %s got %q", head, time.Since(start), got)
			}
			_ = conn.Close()
		}
		conn, err := listener.dial(ctx, "", "")
		if err != nil {
			t.Fatal(err)
		}
		responses := bufio.NewReader(conn)
		for _, want := range []int{404, 404, 200} { // a body that comes keeps the connection
			path := map[int]string{404: "/nope", 200: "/echo"}[want]
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			response, err := http.ReadResponse(responses, nil)
			if err != nil || response.StatusCode != want {
				t.Fatalf("got %v, %v, want %d", response, err, want)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			time.Sleep(time.Minute)
		}
		_ = conn.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
