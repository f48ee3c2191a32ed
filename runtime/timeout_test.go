package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The 504 is sent at the deadline while the function, which ignores its context, still
// runs. Its slot is in use until it returns. Each request is counted once, and
// middleware sees the status.
func TestTimeout(t *testing.T) {
	for name, middleware := range around {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				g, inner := newGate(), &spy{}
				app := newApp("Slow", traffic(250*time.Millisecond, 1))
				runtime.Handle(app, "wait", g.wait)
				if middleware != nil {
					app.Use(middleware)
				}
				app.Use(inner.use)
				s, began := host.start(t, app), time.Now()
				s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 0.25 seconds"}`)
				if took := time.Since(began); took != 250*time.Millisecond {
					t.Errorf("the response came after %s", took)
				}
				s.post("/wait", "{}").want(t, 429, `{"error":"Too many requests"}`)
				s.do("GET", "/readyz", "").want(t, 200, "\n")
				check.Equal(t, s.samples("ekiben_http_overdue")+s.samples("traffic_concurrency"), "ekiben_http_overdue{} 1.0\nekiben_traffic_concurrency{} 1.0\n")
				close(g.release)
				synctest.Wait()
				check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
				s.post("/wait", "{}").want(t, 200, "late")
				want := `bentoml_service_request_total{endpoint="/wait",http_response_code="200"} 1.0
bentoml_service_request_total{endpoint="/wait",http_response_code="429"} 1.0
bentoml_service_request_total{endpoint="/wait",http_response_code="500"} 0.0
bentoml_service_request_total{endpoint="/wait",http_response_code="504"} 1.0
`
				check.Equal(t, s.samples("request_total", `"/wait"`), want)
				check.Equal(t, s.samples("in_progress", `"/wait"`), "bentoml_service_request_in_progress{endpoint=\"/wait\"} 0.0\n")
				if got := inner.statuses(); !slices.Equal(got, []int{504, 429}) { // a 200 is written without a status
					t.Errorf("middleware saw %v", got)
				}
			})
		})
	}
}

// With tracing, or with middleware that wraps the writer, the function still runs on
// the connection's goroutine.
func TestFunctionsRunInline(t *testing.T) {
	const clients = 20
	measure := func(t *testing.T, traced bool, middleware func(http.Handler) http.Handler) (goroutines int) {
		synctest.Test(t, func(t *testing.T) {
			entered, release := make(chan string, clients), make(chan struct{})
			app := newApp("Inline", settings(func(c *config.Config) {
				c.Traffic.Timeout = time.Minute
				c.Tracing.Enabled, c.Tracing.SampleRate = traced, 0
			}))
			runtime.Handle(app, "wait", func(context.Context, struct{}) (string, error) {
				stack := make([]byte, 64<<10)
				entered <- string(stack[:goruntime.Stack(stack, false)])
				<-release
				return "", nil
			})
			if middleware != nil {
				app.Use(middleware)
			}
			s := servePipe(t, app)
			var wait sync.WaitGroup
			for range clients {
				wait.Go(func() { _, _ = s.try("POST", "/wait", "{}") })
			}
			synctest.Wait()
			stacks := make([]byte, 4<<20) // not NumGoroutine: those of tests before may still be ending
			goroutines = strings.Count(string(stacks[:goruntime.Stack(stacks, true)]), "synctest bubble")
			for range clients {
				if stack := <-entered; !strings.Contains(stack, "net/http.(*conn).serve(") {
					t.Errorf("the function does not run on the goroutine of its connection:\n%s", stack)
				}
			}
			close(release)
			wait.Wait()
		})
		return goroutines
	}
	plain := measure(t, false, nil)
	for name, middleware := range around {
		for _, traced := range []bool{false, true} {
			if got := measure(t, traced, middleware); got > plain {
				t.Errorf("%s, traced %v: %d goroutines with %d requests, %d without it", name, traced, got, clients, plain)
			}
		}
	}
}

// A function that has the header map of middleware may write to it while the timeout
// responds. None of these headers is sent.
func TestHeadersDuringTheTimeout(t *testing.T) {
	type headerKey struct{}
	const timeout = 10 * time.Millisecond
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Racing", traffic(timeout, 0))
		runtime.Handle(app, "race", func(ctx context.Context, _ struct{}) (string, error) {
			header, response := ctx.Value(headerKey{}).(http.Header), runtime.ResponseFrom(ctx)
			response.SetHeader("X-Early", "yes")
			header.Set("X-Early-Too", "yes")
			time.Sleep(timeout)
			for i := range 100 {
				header.Set(fmt.Sprint("X-Late-", i), "yes")
				response.SetHeader(fmt.Sprint("X-Late-", i), "yes")
				response.SetStatus(202)
				response.SetCookie(&http.Cookie{Name: "late", Value: "yes"})
			}
			time.Sleep(timeout)
			return "late", nil
		})
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("X-Before", "yes")
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), headerKey{}, w.Header())))
			w.Header().Set("X-After", "yes")
		}))
		s := host.start(t, app)
		defer time.Sleep(2 * timeout) // for the last function
		for range 20 {
			got := s.post("/race", "{}")
			got.want(t, 504, `{"error":"Not able to process the request in 0.01 seconds"}`)
			var names []string
			for name := range got.header {
				if strings.HasPrefix(name, "X-") || name == "Set-Cookie" || name == "Server" {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			if !slices.Equal(names, []string{"X-Before", "X-Bentoml-Request-Id"}) {
				t.Errorf("the 504 has the headers %v", names)
			}
		}
	})
}

// A request whose body never arrives does not keep its slot for ever.
func TestStalledBody(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if !host.inline {
			return // a detached handler returns, and net/http ends the body
		}
		s := host.start(t, newEcho(traffic(50*time.Millisecond, 1)))
		conn := s.dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 504" {
			t.Fatalf("got %q, %v", head, err)
		}
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		synctest.Wait()
		s.post("/echo", "{}").want(t, 200, "HELLO")
	})
}

// The function's own 504 has the header Server, like its other errors. So has the 504
// of a call in process that the function passes on.
func TestFunctionsOwn504(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app, g := newApp("Front", settings(func(c *config.Config) {
			c.HTTP.H2C = true
			c.Services = map[string]config.Service{"Below": {Traffic: config.ServiceTraffic{Timeout: new(10 * time.Millisecond)}}}
		})), newGate()
		wait := runtime.Handle(app.AddService("Below"), "wait", g.wait)
		runtime.Handle(app, "own", func(context.Context, text) (string, error) {
			return "", runtime.Errorf(http.StatusGatewayTimeout, "the store is slow")
		})
		runtime.Handle(app, "passed", func(ctx context.Context, in text) (string, error) { return wait.Call(ctx, in) })
		s := host.start(t, app)
		for _, path := range []string{"/own", "/passed"} {
			if got := s.post(path, "{}"); got.status != 504 || got.header.Get("Server") != "BentoML Service/Front" {
				t.Errorf("%s: got %+v", path, got)
			}
		}
		close(g.release)
	})
}

// An error that a function returns after its 504 is logged, unless it is only the
// timeout.
func TestLateFailuresAreLogged(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		var log logBuffer
		app := newApp("Late", traffic(20*time.Millisecond, 0), runtime.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))))
		wait := runtime.Handle(app.AddService("Below"), "wait", func(ctx context.Context, _ text) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		runtime.Handle(app, "late", func(ctx context.Context, in text) (string, error) {
			time.Sleep(time.Second)
			switch in.Text {
			case "deadline":
				return "", ctx.Err()
			case "cancelled":
				return "", fmt.Errorf("reading: %w", context.Canceled)
			case "below":
				return wait.Call(context.WithoutCancel(ctx), in)
			case "nil":
				return "", (*runtime.Error)(nil)
			case "panic":
				panic("boom")
			case "exit":
				goruntime.Goexit()
			case "teapot":
				return "", runtime.Errorf(http.StatusTeapot, "boom")
			}
			return "", errors.New("boom")
		})
		s := host.start(t, app)
		for what, logged := range map[string]string{
			"deadline": "", "cancelled": "", "below": "", "teapot": "", // a refusal is a warning
			"nil": `error="after its timeout: a nil *runtime.Error"`, "error": `error="after its timeout: boom"`, "panic": `error="after its timeout: panic: boom"`,
			"exit": `error="after its timeout: the function called runtime.Goexit and returned no result"`,
		} {
			before := len(log.String())
			if got := s.post("/late", `{"text":"`+what+`"}`); got.status != 504 {
				t.Errorf("%s: got %+v", what, got)
			}
			time.Sleep(2 * time.Second)
			switch lines := log.String()[before:]; {
			case logged == "" && lines != "", !strings.Contains(lines, logged), strings.Count(lines, "\n") > 1:
				t.Errorf("%s: logged\n%s", what, lines)
			}
		}
	})
}

// If functions end just at their deadline, each client gets one whole response, 200
// or 504, and /metrics has the same numbers.
func TestResponsesAtTheDeadline(t *testing.T) {
	const clients, each, timeout = 8, 50, 3 * time.Millisecond
	for _, middleware := range []func(http.Handler) http.Handler{nil, wrap, flushing} {
		bubbles(t, func(t *testing.T, host host) {
			app := newApp("Edge", traffic(timeout, 0))
			runtime.Handle(app, "work", func(ctx context.Context, in text) (string, error) {
				runtime.ResponseFrom(ctx).SetHeader("X-Sent", in.Text)
				time.Sleep(timeout + rand.N(3*time.Nanosecond) - time.Nanosecond)
				return in.Text, nil
			})
			if middleware != nil {
				app.Use(middleware)
			}
			s := host.start(t, app)
			var statuses [600]atomic.Int64
			var wait sync.WaitGroup
			for client := range clients {
				wait.Go(func() {
					for i := range each {
						sent := fmt.Sprint(client, "-", i)
						got, err := s.try("POST", "/work", fmt.Sprintf(`{"text":%q}`, sent))
						header := got.header.Get("X-Sent")
						whole := got.status == 200 && got.body == sent && header == sent ||
							got.status == 504 && got.body == `{"error":"Not able to process the request in 0.003 seconds"}` && header == ""
						if err != nil || !whole {
							t.Errorf("sent %s, got %+v, %v", sent, got, err)
							return
						}
						statuses[got.status].Add(1)
					}
				})
			}
			wait.Wait()
			time.Sleep(timeout) // for the last function
			check.Equal(t, s.samples("ekiben_http_overdue"), "ekiben_http_overdue{} 0.0\n")
			for _, status := range []int{200, 504} {
				n := statuses[status].Load()
				want := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/work\",http_response_code=\"%d\"} %d.0\n", status, n)
				if got := s.samples("request_total", `"/work"`, fmt.Sprintf(`"%d"`, status)); n > 0 && got != want {
					t.Errorf("got %swant %s", got, want)
				}
			}
			t.Logf("%d in time, %d late", statuses[200].Load(), statuses[504].Load())
		})
	}
}

// writes is a writer that records its deadlines. begin is called when the response begins.
type writes struct {
	*httptest.ResponseRecorder
	begin     func()
	deadlines []time.Time
}

func (w *writes) WriteHeader(status int) {
	w.begin()
	w.ResponseRecorder.WriteHeader(status)
}

func (w *writes) SetWriteDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

// The time to write a 504 is limited. A client that hangs up when it has the 504 does not
// change the reason for which the function's context has ended.
func TestWritingTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Late", traffic(time.Second, 0))
		var reason error
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			time.Sleep(time.Minute)
			reason = ctx.Err()
			return "", nil
		})
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{}))
		w, start := &writes{ResponseRecorder: httptest.NewRecorder(), begin: hangUp}, time.Now()
		handler(t, app).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/f", strings.NewReader("{}")))
		if w.Code != 504 || len(w.deadlines) != 1 || w.deadlines[0].Sub(start) != 6*time.Second {
			t.Errorf("got %d, deadlines %s", w.Code, w.deadlines)
		}
		if !errors.Is(reason, context.DeadlineExceeded) {
			t.Errorf("the context has ended with %v", reason)
		}
	})
}

// observed is a context that tells when somebody asks whether it has ended.
type observed struct {
	context.Context
	asked func()
}

func (o observed) Done() <-chan struct{} {
	o.asked()
	return o.Context.Done()
}

// A timeout that finds a response of middleware leaves the deadline of the connection as it
// is: the server or middleware may have set it.
func TestTimeoutKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Late", traffic(time.Second, 0))
		runtime.Handle(app, "f", func(context.Context, struct{}) (string, error) { time.Sleep(time.Minute); return "", nil })
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			// The timeout ends the context, and writes the 504 then.
			begin := sync.OnceFunc(func() { http.Error(w, "theirs", http.StatusServiceUnavailable) })
			next.ServeHTTP(w, r.WithContext(observed{r.Context(), begin}))
		}))
		w := &writes{ResponseRecorder: httptest.NewRecorder(), begin: func() {}}
		ctx := context.WithValue(t.Context(), http.ServerContextKey, &http.Server{})
		handler(t, app).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/f", strings.NewReader("{}")))
		if w.Code != 503 || w.Body.String() != "theirs\n" || len(w.deadlines) != 0 {
			t.Errorf("got %d %s, deadlines %s", w.Code, w.Body, w.deadlines)
		}
	})
}

// An app does not use the timer of another app. A timer of the real clock would
// never fire in a bubble, whose clock is fake.
func TestTimersOfTwoApps(t *testing.T) {
	quick := newApp("Quick", traffic(time.Minute, 0))
	runtime.Handle(quick, "echo", func(context.Context, text) (string, error) { return "", nil })
	s := serve(t, quick)
	for range 50 {
		s.post("/echo", "{}").want(t, 200, "")
	}
	synctest.Test(t, func(t *testing.T) {
		slow, g := newApp("Slow", traffic(250*time.Millisecond, 0)), newGate()
		runtime.Handle(slow, "wait", g.wait)
		s := servePipe(t, slow)
		letGo := time.AfterFunc(time.Minute, func() { close(g.release) })
		s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 0.25 seconds"}`)
		if letGo.Stop() {
			close(g.release)
		}
	})
}
