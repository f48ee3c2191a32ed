package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// The earlier of the timeout and middleware's deadline applies, and the 504 names it.
// This is so for a function that obeys its context and for one that ignores it.
func TestNearerDeadline(t *testing.T) {
	for _, test := range []struct {
		timeout, middleware time.Duration
		seconds             string
	}{
		{time.Minute, 50 * time.Millisecond, "0.05"}, {0, 50 * time.Millisecond, "0.05"},
		{50 * time.Millisecond, time.Minute, "0.05"}, {2 * time.Second, 1500 * time.Millisecond, "1.5"}, {time.Minute, 0, "60"},
		{time.Minute, -time.Hour, "0"}, // has passed already
	} {
		bubbles(t, func(t *testing.T, host host) {
			app := newApp("Limited", traffic(test.timeout, 0))
			runtime.Handle(app, "heeds", func(ctx context.Context, _ text) (string, error) {
				if _, ok := ctx.Deadline(); !ok {
					t.Error("the context has no deadline")
				}
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				<-child.Done()
				if cause := new(runtime.Error); !errors.As(context.Cause(child), &cause) && test.middleware == 0 {
					t.Errorf("the cause is %v", context.Cause(child))
				}
				return "", ctx.Err()
			})
			runtime.Handle(app, "ignores", func(context.Context, text) (string, error) {
				time.Sleep(2 * time.Minute)
				return "late", nil
			})
			if test.middleware != 0 {
				app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					ctx, cancel := context.WithTimeout(r.Context(), test.middleware)
					defer cancel()
					next.ServeHTTP(w, r.WithContext(ctx))
				}))
			}
			s := host.start(t, app)
			for _, path := range []string{"/heeds", "/ignores"} {
				began := time.Now()
				s.post(path, "{}").want(t, 504, `{"error":"Not able to process the request in `+test.seconds+` seconds"}`)
				if took := fmt.Sprint(time.Since(began).Seconds()); took != test.seconds {
					t.Errorf("%s: the response came after %s", path, took)
				}
			}
			time.Sleep(2 * time.Minute)
		})
	}
}

// A call after the deadline of its function counts as a timeout, not as a client that
// hung up.
func TestCallsAfterTheDeadline(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Front", traffic(20*time.Millisecond, 0))
		encode := runtime.Handle(app.AddService("Encoder"), "encode", func(ctx context.Context, _ struct{}) (int, error) { return 1, ctx.Err() })
		called := make(chan error, 1)
		runtime.Handle(app, "count", func(ctx context.Context, _ struct{}) (int, error) {
			<-ctx.Done()
			_, err := encode.Call(ctx, struct{}{})
			called <- err
			return 0, err
		})
		s := host.start(t, app)
		const calls = 50
		for range calls {
			s.post("/count", "{}").want(t, 504, `{"error":"Not able to process the request in 0.02 seconds"}`)
			if err := <-called; err == nil {
				t.Fatal("the call succeeded")
			}
		}
		synctest.Wait()
		want := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/encode\",http_response_code=\"504\"} %d.0\n", calls)
		check.Equal(t, s.samples("request_total{", `"/encode"`, `"504"`), want)
	})
}

// On a user's server, a handler around the app keeps its context after the app has
// refused a request whose body middleware has read.
func TestContextOfAnOuterHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEcho()
		app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}))
		h := handler(t, app)
		s := foreignPipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			time.Sleep(time.Minute)
			check.OK(t, r.Context().Err())
		}))
		s.post("/echo", "{}").want(t, http.StatusUnauthorized, "")
	})
}

// Middleware that replaces the context of a request hides the exchange. The request is
// still served, timed out and counted. It keeps its route and the values of its
// wildcards, even if middleware changes the path.
func TestReplacedContext(t *testing.T) {
	for _, path := range []string{"", "/", "/none", "/other/b"} {
		t.Run(path, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) { testReplacedContext(t, host, path) })
		})
	}
}
