package runtime_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// sleeper is an app whose kinds of APIs all take a minute, within a timeout of ten seconds.
func sleeper(t *testing.T, called *atomic.Int64) *runtime.App {
	app := newApp("Sleeper", settings(func(c *config.Config) {
		c.HTTP.H2C, c.Traffic.Timeout = true, 10*time.Second
	}), runtime.WithLogger(quiet()))
	nap := func(ctx context.Context) error {
		called.Add(1)
		select {
		case <-time.After(time.Minute):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	runtime.Handle(app, "plain", func(ctx context.Context, _ struct{}) (int, error) { return 0, nap(ctx) })
	runtime.HandleStream(app, "stream", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) { yield(0, nap(ctx)) }
	})
	inner := runtime.Handle(app.AddService("Inner"), "inner", func(ctx context.Context, _ struct{}) (int, error) { return 0, nap(ctx) })
	runtime.Handle(app, "calls", func(ctx context.Context, in struct{}) (int, error) { return inner.Call(ctx, in) })
	return app
}

// The headers of callers limit every kind of API, up to the timeout of the service.
func TestCallerDeadline(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		var called atomic.Int64
		s := host.start(t, sleeper(t, &called))
		in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).UnixMilli(), 10) }
		for _, test := range []struct {
			name, value string
			want        time.Duration
		}{
			{"Request-Timeout-Ms", "2500", 2500 * time.Millisecond},
			{"X-Request-Timeout-Ms", " 2500 ", 2500 * time.Millisecond},
			{"X-Envoy-Expected-Rq-Timeout-Ms", "2500", 2500 * time.Millisecond},
			{"Request-Deadline-Ms", "2s", 2 * time.Second}, {"X-Request-Deadline-Ms", "2s", 2 * time.Second}, // see below
			{"Request-Deadline-Ms", "2500", 2500 * time.Millisecond}, // too small for a point in time
			{"Grpc-Timeout", "3S", 3 * time.Second}, {"Grpc-Timeout", "2500m", 2500 * time.Millisecond}, {"Grpc-Timeout", "2500000u", 2500 * time.Millisecond},
			{"Grpc-Timeout", "99999999H", 10 * time.Second}, {"Request-Timeout-Ms", "9223372036854775807", 10 * time.Second},
			{"Request-Deadline-Ms", "9223372036854775807", 10 * time.Second},
		} {
			for _, path := range []string{"/plain", "/stream", "/calls"} {
				value := test.value
				if value == "2s" {
					value = in(2 * time.Second)
				}
				began := time.Now()
				got := s.do("POST", path, "{}", test.name, value)
				took := time.Since(began).Round(time.Millisecond)
				if got.status != http.StatusGatewayTimeout || took != test.want {
					t.Errorf("%s, %s: %s: got %d %s after %s, want 504 after %s", path, test.name, value, got.status, got.body, took, test.want)
				}
			}
		}
	})
}

// A caller who waits no longer, or sends garbage, gets a response at once, and no function runs.
func TestCallerDeadlineRefuses(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		var called atomic.Int64
		s := host.start(t, sleeper(t, &called))
		began := time.Now()
		for value, want := range map[string]string{
			"0": "had passed", "-1": `Header Request-Timeout-Ms: must be a whole number of milliseconds, found \"-1\"`, "1.5": "whole number", "soon": "whole number", "": "whole number", strings.Repeat("9", 5000): "whole number",
		} {
			check.Contains(t, s.do("POST", "/plain", "{}", "Request-Timeout-Ms", value).body, want)
		}
		for _, value := range []string{"1", "S", "123456789S", "1x", "-1S", "+1S"} {
			check.Contains(t, s.do("POST", "/stream", "{}", "Grpc-Timeout", value).body, "must be up to eight digits and a unit")
		}
		past := strconv.FormatInt(time.Now().Add(-time.Second).UnixMilli(), 10)
		s.do("POST", "/calls", "{}", "Request-Deadline-Ms", past).want(t, 504, `{"error":"The deadline of header Request-Deadline-Ms had passed when the request arrived"}`)
		check.Equal(t, called.Load(), 0)
		check.Equal(t, time.Since(began), 0)
		check.Contains(t, s.samples("ekiben_traffic_refused_total", `"expired"`, `"Sleeper"`), "} 2.0")
	})
}

// traffic.caller_deadline: false ignores the headers.
func TestCallerDeadlineOff(t *testing.T) {
	s := serve(t, newEcho(settings(func(c *config.Config) { c.Traffic.CallerDeadline = false })))
	s.do("POST", "/echo", `{"text":"a"}`, "Request-Timeout-Ms", "x", "Grpc-Timeout", "0S").want(t, 200, "A")
}

// A batch queue refuses what cannot be ready before the caller's deadline, at once.
func TestCallerDeadlineOfBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Slow", traffic(time.Minute, 0), runtime.WithLogger(quiet()))
		runtime.HandleBatch(app, "slow", func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(time.Second)
			return items, nil
		}, runtime.ItemsField("n"), runtime.Batching(batcher.Config{MaxBatchSize: 1}))
		s := direct(t, app)
		for range 3 {
			s.post("/slow", `{"n":[1]}`).want(t, 200, "[1]")
		}
		go s.post("/slow", `{"n":[1]}`)
		synctest.Wait()
		began := time.Now()
		got := s.do("POST", "/slow", `{"n":[1]}`, "Request-Timeout-Ms", "1500")
		check.Equal(t, got.status, http.StatusServiceUnavailable)
		check.Contains(t, got.body, "too late")
		check.Equal(t, time.Since(began), 0)
		s.do("POST", "/slow", `{"n":[1]}`, "Request-Timeout-Ms", "2500").want(t, 200, "[1]")
	})
}

// The transport of a service tells the next server how long the caller waits.
func TestTransportSendsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		client := &http.Client{Transport: newEcho().Transport(recorded{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sent = append(sent, r.Header.Get("Request-Timeout-Ms"))
		})})}
		call := func(ctx context.Context, own string) {
			r := check.Value(http.NewRequestWithContext(ctx, "POST", "http://next/", nil))(t)
			if own != "" {
				r.Header.Set("Request-Timeout-Ms", own)
			}
			response := check.Value(client.Do(r))(t)
			_ = response.Body.Close()
		}
		limited, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		call(t.Context(), "")
		call(limited, "")
		call(limited, "7")
		check.Equal(t, fmt.Sprint(sent), "[ 1500 7]")
	})
}

// idle is a transport that counts how often it closes idle connections.
type idle struct {
	http.RoundTripper

	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

// A client closes the idle connections of the transport below.
func TestTransportClosesIdle(t *testing.T) {
	base := &idle{}
	client := &http.Client{Transport: newEcho().Transport(base)}
	client.CloseIdleConnections()
	check.Equal(t, base.closed, 1)
}

// queued is an app with one slot, and a place in the queue.
func queued(g *gate, change func(*config.Traffic)) *runtime.App {
	app := newApp("Queued", settings(func(c *config.Config) {
		c.HTTP.H2C = true
		c.Traffic = limits(10*time.Second, 1)
		c.Traffic.MaxQueue = 1
		c.Traffic.CallerDeadline = true
		if change != nil {
			change(&c.Traffic)
		}
	}), runtime.WithLogger(quiet()))
	runtime.Handle(app, "wait", g.wait)
	return app
}

// A request waits for a slot, in the order of arrival, within its timeout; one more is refused.
func TestQueue(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		g := newGate()
		s := host.start(t, queued(g, nil))
		answers := make(chan answer, 2)
		for range 2 {
			go func() { answers <- s.post("/wait", "{}") }()
			synctest.Wait()
		}
		check.Contains(t, s.samples("ekiben_traffic_queued", `"Queued"`), "} 1.0")
		s.post("/wait", "{}").want(t, 429, `{"error":"Too many requests"}`).has(t, "Retry-After", "1")
		check.Contains(t, s.samples("ekiben_traffic_refused_total", `"full"`, `"Queued"`), "} 1.0")
		g.release <- struct{}{}
		(<-answers).want(t, 200, "late")
		g.release <- struct{}{}
		(<-answers).want(t, 200, "late")
		check.Contains(t, s.samples("ekiben_traffic_queued", `"Queued"`), "} 0.0")
	})
}

// A request that waits until its timeout gets the 504, and one whose client leaves gives its place
// to another.
func TestQueueEnds(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		g := newGate()
		s := host.start(t, queued(g, func(c *config.Traffic) { c.Timeout = 0 }))
		go s.post("/wait", "{}")
		synctest.Wait()
		s.do("POST", "/wait", "{}", "Request-Timeout-Ms", "4000").want(t, 504, `{"error":"Not able to process the request in 4 seconds"}`)
		ctx, leave := context.WithCancel(t.Context())
		r := check.Value(http.NewRequestWithContext(ctx, "GET", s.url+"/wait", nil))(t) // net/http notices the end of a client without a body
		r.Method = "POST"
		go func() {
			if response, err := s.http.Do(r); err == nil {
				_ = response.Body.Close()
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		last := make(chan answer, 1)
		go func() { last <- s.post("/wait", "{}") }()
		synctest.Wait()
		close(g.release)
		(<-last).want(t, 200, "late")
		check.Contains(t, s.samples("ekiben_traffic_refused_total", `"expired"`, `"Queued"`), "} 2.0")
	})
}

// The time in the queue is a part of traffic.timeout, also for a stream that is called in process,
// and the 504 names the timeout.
func TestQueueKeepsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		app := queued(g, func(c *config.Traffic) { c.MaxQueue = 2 })
		words := runtime.HandleStream(app, "words", func(context.Context, struct{}) iter.Seq2[string, error] { return func(func(string, error) bool) {} })
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(2 * time.Second)
				next.ServeHTTP(w, r)
			})
		})
		s := direct(t, app)
		go s.post("/wait", "{}")
		time.Sleep(3 * time.Second)
		began := time.Now()
		go func() {
			s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 10 seconds"}`)
		}()
		var err error
		for _, err = range words.Call(t.Context(), struct{}{}) {
		}
		check.Equal(t, err.Error(), "504 Gateway Timeout: Not able to process the request in 10 seconds")
		check.Equal(t, time.Since(began), 10*time.Second)
		synctest.Wait()
		close(g.release)
	})
}

// At several times the capacity, open load: the slots stay busy, nobody waits long, and those who
// are refused know at once.
func TestQueueUnderLoad(t *testing.T) {
	const work, slots = 50 * time.Millisecond, 20 // capacity: 400 requests per second
	for _, times := range []int{2, 5, 10} {
		synctest.Test(t, func(t *testing.T) {
			app := newApp("Busy", settings(func(c *config.Config) {
				c.Traffic.Timeout, c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = time.Second, slots, slots-2
			}), runtime.WithLogger(quiet()))
			runtime.Handle(app, "work", func(context.Context, struct{}) (int, error) { time.Sleep(work); return 0, nil })
			s := direct(t, app)
			var mu sync.Mutex
			var served, refused []time.Duration
			var all sync.WaitGroup
			began, every := time.Now(), work/slots/time.Duration(times)
			for range 400 * times * 3 {
				time.Sleep(every)
				all.Go(func() {
					at := time.Now()
					got := s.post("/work", "{}")
					mu.Lock()
					defer mu.Unlock()
					if took := time.Since(at); got.status == 200 {
						served = append(served, took)
					} else {
						refused = append(refused, took)
					}
				})
			}
			all.Wait()
			slices.Sort(served)
			goodput, p99 := float64(len(served))/time.Since(began).Seconds()/400, served[len(served)*99/100]
			t.Logf("%2d times the capacity: goodput %.3f, p99 %s of %s without load, refused %d, the slowest after %s", times, goodput, p99, work, len(refused), slices.Max(refused))
			if goodput < 0.95 || p99 > 2*work || slices.Max(refused) > 0 {
				t.Error("want a goodput of 0.95, at most twice the time without load, and refusals at once")
			}
		})
	}
}

// An adaptive limit finds what a model can bear: at three times its capacity, requests wait far
// less for it than with max_concurrency alone, and as many are served.
func TestAdaptiveConcurrency(t *testing.T) {
	const work, parallel, seconds = 200 * time.Millisecond, 10, 100 // capacity: 50 requests per second
	median := map[bool]time.Duration{}
	for _, adaptive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			app := newApp("Model", settings(func(c *config.Config) {
				c.Traffic.MaxConcurrency, c.Traffic.Adaptive = 200, adaptive
			}), runtime.WithLogger(quiet()))
			model := make(chan struct{}, parallel)
			runtime.Handle(app, "work", func(context.Context, struct{}) (int, error) {
				model <- struct{}{}
				time.Sleep(work)
				<-model
				return 0, nil
			})
			s := direct(t, app)
			var mu sync.Mutex
			var served []time.Duration
			var all sync.WaitGroup
			began := time.Now()
			for time.Since(began) < seconds*time.Second {
				time.Sleep(work / parallel / 3)
				all.Go(func() {
					at := time.Now()
					if got := s.post("/work", "{}"); got.status == 200 && at.Sub(began) > seconds*time.Second/2 {
						mu.Lock()
						defer mu.Unlock()
						served = append(served, time.Since(at))
					}
				})
			}
			limit := s.samples("ekiben_traffic_max_concurrency")
			all.Wait()
			slices.Sort(served)
			goodput := float64(len(served)) / (seconds / 2) / (parallel * float64(time.Second/work))
			median[adaptive] = served[len(served)/2]
			t.Logf("adaptive %t: goodput %.3f, median %s of %s without load, %s", adaptive, goodput, median[adaptive], work, limit)
			if goodput < 0.95 {
				t.Error("want a goodput of 0.95 at least")
			}
		})
	}
	if median[true] > median[false]/4 {
		t.Errorf("the median is %s with the adaptive limit and %s without, want a quarter at most", median[true], median[false])
	}
}

// While http.max_overdue functions ignore their 504, other requests are refused, on any kind of
// API, and served again when a function has returned.
func TestMaxOverdue(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Deaf", settings(func(c *config.Config) {
			c.HTTP.H2C, c.HTTP.MaxOverdue, c.Traffic.Timeout = true, 2, time.Second
		}), runtime.WithLogger(quiet()))
		runtime.Handle(app, "deaf", func(context.Context, struct{}) (int, error) { time.Sleep(time.Minute); return 0, nil })
		runtime.Handle(app, "echo", func(_ context.Context, in struct{ N int }) (int, error) { return in.N, nil })
		app.Mount("/mounted", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }))
		s := host.start(t, app)
		s.post("/deaf", "{}").want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
		s.post("/echo", `{"N":1}`).want(t, 200, "1")
		s.post("/mounted/x", "{}").want(t, 504, `{"error":"Not able to process the request in 1 seconds"}`)
		for _, path := range []string{"/echo", "/deaf", "/mounted/x"} {
			got := s.post(path, `{"N":1}`)
			got.want(t, 503, `{"error":"The service is overloaded: too many functions run past their timeout"}`)
			check.Equal(t, got.header.Get("Retry-After"), "1")
		}
		check.Contains(t, s.samples("ekiben_traffic_refused_total", "overdue"), "} 3.0")
		time.Sleep(59 * time.Second)
		s.post("/echo", `{"N":1}`).want(t, 200, "1")
		time.Sleep(time.Minute)
	})
}
