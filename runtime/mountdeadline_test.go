package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A mounted handler has the deadline of its caller in its context, and responds itself: a gRPC
// client must get the status of gRPC. Values that are malformed, or over, are for the handler too.
func TestMountCallerDeadline(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		for _, timeout := range []time.Duration{0, 10 * time.Second} {
			app := newApp("Mounted", settings(func(c *config.Config) {
				c.HTTP.H2C, c.Traffic.Timeout = true, timeout
			}), runtime.WithLogger(quiet()))
			app.Mount("/pkg.Service", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-time.After(5 * time.Second):
				}
				w.Header().Set("Content-Type", "application/grpc")
				if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
					w.Header().Set("Grpc-Status", "4")
				}
			}))
			s := host.start(t, app)
			past := strconv.FormatInt(time.Now().Add(-time.Second).UnixMilli(), 10)
			for _, test := range []struct {
				name, value, status string
				want                time.Duration
			}{
				{"Grpc-Timeout", "100m", "4", 100 * time.Millisecond},
				{"Grpc-Timeout", "1x", "", 5 * time.Second},
				{"Grpc-Timeout", "0m", "4", 0},
				{"Request-Timeout-Ms", "2000", "4", 2 * time.Second},
				{"Request-Timeout-Ms", "soon", "", 5 * time.Second},
				{"Request-Deadline-Ms", past, "4", 0},
			} {
				began := time.Now()
				got := s.do("POST", "/pkg.Service/Method", "x", test.name, test.value, "X-Request-Timeout-Ms", "60000")
				got.want(t, 200, "").has(t, "Content-Type", "application/grpc", "Grpc-Status", test.status)
				check.Equal(t, fmt.Sprint(test.name, " ", test.value, " ", time.Since(began)), fmt.Sprint(test.name, " ", test.value, " ", test.want))
			}
			check.Equal(t, s.samples("ekiben_traffic_refused_total", `"expired"`), "ekiben_traffic_refused_total{reason=\"expired\"} 0.0\n")
		}
	})
}

// traffic.timeout responds for a mounted handler, whatever its caller says.
func TestMountTimeoutWithCaller(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Mounted", traffic(time.Second, 0), runtime.WithLogger(quiet()))
		app.Mount("/mounted", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) }))
		s, began := host.start(t, app), time.Now()
		for _, value := range []string{"500", "60000"} {
			s.do("POST", "/mounted", "", "Request-Timeout-Ms", value).want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
		}
		check.Equal(t, time.Since(began), 2*time.Second)
		time.Sleep(time.Minute)
	})
}

// traffic.caller_deadline: false keeps the deadline out of the context.
func TestMountCallerDeadlineOff(t *testing.T) {
	app := newApp("Mounted", settings(func(c *config.Config) { c.Traffic.CallerDeadline = false }), runtime.WithLogger(quiet()))
	app.Mount("/mounted", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, limited := r.Context().Deadline()
		_, _ = fmt.Fprint(w, limited, r.Context().Err())
	}))
	serve(t, app).do("GET", "/mounted", "", "Request-Timeout-Ms", "1").want(t, 200, "false <nil>")
}

// A request that waits for a slot at the deadline of its caller does not reach the handler.
func TestMountDeadlineInTheQueue(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		var calls atomic.Int32
		app := newApp("Mounted", settings(func(c *config.Config) {
			c.HTTP.H2C, c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = true, 1, 10
		}), runtime.WithLogger(quiet()))
		app.Mount("/mounted", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			calls.Add(1)
			time.Sleep(2 * time.Second)
		}))
		s := host.start(t, app)
		var first sync.WaitGroup
		first.Go(func() { s.do("POST", "/mounted", "").want(t, 200, "") })
		time.Sleep(time.Second / 10)
		began := time.Now()
		s.do("POST", "/mounted", "", "Request-Timeout-Ms", "300").want(t, 504, `{"error":"Not able to process the request in 0.3 seconds"}`)
		check.Equal(t, time.Since(began), 300*time.Millisecond)
		first.Wait()
		check.Equal(t, calls.Load(), 1)
	})
}
