package runtime_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
)

// Code that ends its goroutine, as a test's FailNow does, is answered 500 and
// counted so, gives its slot back, and leaves nothing behind that goes off at
// the timeout of a request that is over.
func TestGoexit(t *testing.T) {
	newService := func() *runtime.Service {
		svc := runtime.NewService("S")
		runtime.Handle(svc, "f", func(_ context.Context, in text) (string, error) {
			if in.Text == "exit" {
				goruntime.Goexit()
			}
			return in.Text, nil
		})
		svc.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Exit") != "" {
					goruntime.Goexit()
				}
				next.ServeHTTP(w, r)
			})
		})
		return svc
	}
	for name, timeout := range map[string]time.Duration{"inline": 300 * time.Millisecond, "untimed": 0} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newService(), traffic(timeout, 1))
			for range 3 {
				s.post("/f", `{"text":"exit"}`).want(t, 500, masked)
				s.do("POST", "/f", `{"text":"x"}`, "Exit", "yes").want(t, 500, masked)
				s.post("/f", `{"text":"x"}`).want(t, 200, "x")
			}
			time.Sleep(timeout) // an alarm that was left would go off meanwhile
			s.post("/f", `{"text":"x"}`).want(t, 200, "x")
			if got := s.samples("request_total{", `http_response_code="500"`, `endpoint="/f"`); !strings.HasSuffix(got, " 6.0\n") {
				t.Errorf("got %q", got)
			}
			if got := s.samples("ekiben_http_overdue"); !strings.HasSuffix(got, " 0.0\n") {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Run("somebody else's server", func(t *testing.T) {
		rt, err := runtime.New(newService(), traffic(time.Minute, 1), runtime.WithLogger(quiet()))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{500, 200} {
			w := httptest.NewRecorder()
			rt.ServeHTTP(w, httptest.NewRequest("POST", "/f", strings.NewReader(map[int]string{500: `{"text":"exit"}`, 200: `{}`}[want])))
			if w.Code != want {
				t.Errorf("got %d, want %d", w.Code, want)
			}
		}
		if err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
