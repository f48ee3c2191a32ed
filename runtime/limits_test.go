package runtime_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func traffic(timeout time.Duration, max int) runtime.Option {
	return settings(func(c *config.Config) {
		c.Traffic = config.Traffic{Timeout: timeout, MaxConcurrency: max}
	})
}

// wrapped is middleware that hides the runtime's writer, as one that compresses
// would.
func wrapped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}

// The 504 leaves while the function, which ignores its context, still runs; its
// slot stays taken until it ends; everything is counted once.
func TestTimeout(t *testing.T) {
	hosts := map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own server": serve, "foreign mux": foreign, "HTTP/2": http2}
	for name, host := range hosts {
		for _, middleware := range []bool{false, true} {
			if middleware {
				name += " with middleware"
			}
			t.Run(name, func(t *testing.T) {
				g := newGate()
				svc := runtime.NewService("Slow")
				runtime.Handle(svc, "wait", g.wait)
				if middleware {
					svc.Use(wrapped)
				}
				s := host(t, svc, traffic(250*time.Millisecond, 1))
				s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 0.25 seconds"}`)
				s.post("/wait", "{}").want(t, 429, `{"error":"Too many requests"}`)
				s.do("GET", "/readyz", "").want(t, 200, "\n")
				want := "ekiben_http_overdue 1.0\n"
				if got := s.samples("overdue"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if got := s.samples("traffic_concurrency"); !strings.HasSuffix(got, " 1.0\n") {
					t.Errorf("its slot is free: %q", got)
				}
				close(g.release)
				eventually(t, "the slot", func() bool { return s.samples("overdue") == "ekiben_http_overdue 0.0\n" })
				s.post("/wait", "{}").want(t, 200, "late")
				wantTotals := `bentoml_service_request_total{endpoint="/wait",http_response_code="200"} 1.0
bentoml_service_request_total{endpoint="/wait",http_response_code="429"} 1.0
bentoml_service_request_total{endpoint="/wait",http_response_code="500"} 0.0
bentoml_service_request_total{endpoint="/wait",http_response_code="504"} 1.0
`
				if got := s.samples("request_total", `"/wait"`); got != wantTotals {
					t.Errorf("got\n%swant\n%s", got, wantTotals)
				}
				if got := s.samples("in_progress", `"/wait"`); got != "bentoml_service_request_in_progress{endpoint=\"/wait\"} 0.0\n" {
					t.Errorf("got %s", got)
				}
			})
		}
	}
}

// A function that heeds its context gets the same 504, not a masked error.
func TestContextEnds(t *testing.T) {
	svc := runtime.NewService("Polite")
	runtime.Handle(svc, "wait", func(ctx context.Context, _ text) (string, error) {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > 50*time.Millisecond {
			t.Errorf("deadline %v, %v", at, ok)
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		<-child.Done()
		return "", ctx.Err()
	})
	s := serve(t, svc, traffic(50*time.Millisecond, 0))
	for range 3 {
		s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 0.05 seconds"}`)
	}
}

// A body that never comes must not hold its slot for ever.
func TestStalledBody(t *testing.T) {
	s := serve(t, newEcho(), traffic(50*time.Millisecond, 1))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 12)
	if _, err := conn.Read(head); err != nil || string(head) != "HTTP/1.1 504" {
		t.Fatalf("got %q, %v", head, err)
	}
	eventually(t, "the slot", func() bool { return s.post("/echo", "{}").status == 200 })
}

func TestMaxConcurrency(t *testing.T) {
	g := newGate()
	svc := runtime.NewService("Busy")
	runtime.Handle(svc, "wait", g.wait)
	s := serve(t, svc, traffic(0, 3))
	answers := make(chan answer, 3)
	for range 3 {
		go func() {
			got, _ := s.try("POST", "/wait", "{}")
			answers <- got
		}()
		<-g.entered
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/schema.json"} {
		if got := s.do("GET", path, "").status; got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := s.samples("in_progress", `"/wait"`); got != "bentoml_service_request_in_progress{endpoint=\"/wait\"} 3.0\n" {
		t.Errorf("got %s", got)
	}
	s.post("/wait", "{}").want(t, 429, `{"error":"Too many requests"}`)
	close(g.release)
	for range 3 {
		if got := <-answers; got.status != 200 {
			t.Errorf("got %+v", got)
		}
	}
}

// A client that hangs up is counted as 200, or as 499 for those who ask, and
// the truth is in a metric of its own.
func TestHangUp(t *testing.T) {
	for status, counted := range map[int]string{200: "200", 499: "499"} {
		g := newGate()
		svc := runtime.NewService("Gone")
		runtime.Handle(svc, "wait", func(ctx context.Context, in text) (string, error) {
			g.entered <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		})
		s := serve(t, svc, settings(func(c *config.Config) { c.Metrics.ClientClosed = status }))
		ctx, hangUp := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/wait", strings.NewReader("{}"))
		done := make(chan error, 1)
		go func() {
			_, err := s.http.Do(req)
			done <- err
		}()
		<-g.entered
		hangUp()
		if err := <-done; err == nil {
			t.Fatal("the client got an answer")
		}
		eventually(t, "the request to be counted", func() bool {
			return s.samples("ekiben_http_disconnects_total") == "ekiben_http_disconnects_total 1.0\n" &&
				s.samples("request_total", `"/wait"`, `"`+counted+`"`) == "bentoml_service_request_total{endpoint=\"/wait\",http_response_code=\""+counted+"\"} 1.0\n"
		})
		if got := s.samples("request_total", `"/wait"`, `"500"`); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("client_closed %d: got %s", status, got)
		}
	}
}
