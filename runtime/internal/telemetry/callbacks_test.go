package telemetry

import (
	"context"
	"errors"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// If a callback fails, only its own family is missing. The failure is counted, and
// the family returns when the callback succeeds.
func TestFailingCallbacks(t *testing.T) {
	for _, c := range []struct {
		name    string
		fail    func(observe func(), release <-chan struct{}) error
		partial bool // /metrics has what it observed
		want    string
	}{
		{name: "blocks", fail: func(observe func(), release <-chan struct{}) error { observe(); <-release; return nil },
			want: `WHAT: the callback took longer than 5s; its values are missing`},
		{name: "is slow", fail: func(observe func(), _ <-chan struct{}) error { observe(); time.Sleep(6 * time.Second); return nil },
			want: `WHAT: the callback took longer than 5s; its values are missing`},
		{name: "panics", fail: func(observe func(), _ <-chan struct{}) error { observe(); panic("boom") }, want: `WHAT: the callback panicked: boom`},
		{name: "ends its goroutine", fail: func(observe func(), _ <-chan struct{}) error { observe(); runtime.Goexit(); return nil },
			want: `WHAT: the callback ended its goroutine`},
		{name: "returns an error", fail: func(observe func(), _ <-chan struct{}) error { observe(); return errors.New("no GPU") }, partial: true, want: `WHAT: no GPU`},
	} {
		for _, registered := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { failingCallback(t, registered, c.fail, c.partial, c.want) })
			})
		}
	}
}

func failingCallback(t *testing.T, registered bool, fail func(func(), <-chan struct{}) error, partial bool, want string) {
	r := measure(t)
	meter := r.Meter("Front")
	release := make(chan struct{})
	healthy := atomic.Bool{}
	work := func(observe func()) error {
		if !healthy.Load() {
			return fail(observe, release)
		}
		observe()
		return nil
	}
	what := `metric "sick"`
	if registered {
		what = `callback of service "Front"`
		sick, err1 := meter.Int64ObservableGauge("sick")
		_, err2 := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error { return work(func() { o.ObserveInt64(sick, 1) }) }, sick)
		r.check(err1, err2)
	} else {
		_, err := meter.Int64ObservableGauge("sick", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { return work(func() { o.Observe(1) }) }))
		r.check(err)
	}
	_, err := meter.Float64ObservableGauge("well", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { o.Observe(2); return nil }))
	r.check(err)
	r.endpoints("/shout")
	if got := matching(r.scrape(), "sick"); (got != "") != partial {
		t.Errorf("got %q", got)
	}
	healthy.Store(true)
	close(release)
	time.Sleep(10 * time.Second) // until the slow callback ends
	same(t, "afterwards", matching(r.scrape(), "sick")+r.samples("well")+r.samples("ekiben_scrape_errors"), "sick 1.0\nwell 2.0\nekiben_scrape_errors_total 1.0\n")
	if got := strings.ReplaceAll(r.log.String(), `\"`, `"`); !strings.Contains(got, strings.Replace(want, "WHAT", what, 1)) || strings.Count(got, "\n") != 1 {
		t.Errorf("logged %s", got)
	}
}

// While a callback blocks, scrapes respond without its family, and it is not called
// again. Later scrapes do not wait for a run that is late.
func TestCallbacksRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := measure(t)
		release := make(chan struct{})
		var runs atomic.Int32
		_, err := r.Meter("Front").Int64ObservableGauge("sick", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			runs.Add(1)
			<-release
			o.Observe(1)
			return nil
		}))
		r.check(err)
		start := time.Now()
		r.scrape()
		if took := time.Since(start); took != maxCallback {
			t.Errorf("the first scrape took %s", took)
		}
		for range 3 {
			r.scrape()
			var rm metricdata.ResourceMetrics
			if err := r.Pushed().Collect(t.Context(), &rm); !errors.Is(err, errCallbackRuns) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(start); took != maxCallback || runs.Load() != 1 {
			t.Errorf("%d runs in %s", runs.Load(), took)
		}
		close(release)
		synctest.Wait()
		same(t, "afterwards", r.samples("sick"), "sick 1.0\n")
	})
}

// A collection with little time leaves a slow callback out. The next one, with
// more time, gets the metric, even if the callback watched the earlier context.
func TestCallbackLateForAnotherCollection(t *testing.T) {
	for _, watches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			reader := sdkmetric.NewManualReader()
			r := measure(t, func(s *Settings) { s.Readers = []sdkmetric.Reader{reader} })
			_, err := r.Meter("Front").Int64ObservableGauge("slow", metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
				if !watches {
					ctx = context.Background()
				}
				select {
				case <-time.After(2 * time.Second):
					o.Observe(1)
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}))
			r.check(err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			var rm metricdata.ResourceMetrics
			if err := reader.Collect(ctx, &rm); err == nil {
				t.Error("the collection with a second had time for the callback")
			}
			cancel()
			same(t, "the next collection", r.samples("slow"), "slow 1.0\n")
		})
	}
}

// Two readers that collect at the same time both get the observations of a callback.
func TestCallbacksOfTwoReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		r := measure(t, func(s *Settings) { s.Readers = []sdkmetric.Reader{reader} })
		var running atomic.Int64
		_, err := r.Meter("Front").Int64ObservableGauge("slow", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			now := running.Add(1)
			time.Sleep(time.Second)
			o.Observe(now)
			running.Add(-1)
			return nil
		}))
		r.check(err)
		collected := make(chan int)
		go func() {
			var rm metricdata.ResourceMetrics
			r.check(reader.Collect(context.Background(), &rm))
			collected <- len(rm.ScopeMetrics)
		}()
		synctest.Wait()
		same(t, "/metrics", r.samples("slow"), "slow 1.0\n")
		if n := <-collected; n != 1 {
			t.Errorf("the other reader got %d scopes", n)
		}
	})
}

// Neither Shutdown nor the scrape that called a callback waits for it if it blocks.
func TestShutdownDoesNotWaitForCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := measure(t)
		release := make(chan struct{})
		_, err := r.Meter("Front").Int64ObservableGauge("sick", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { <-release; return nil }))
		r.check(err)
		response := httptest.NewRecorder()
		go r.Exporter.ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
		synctest.Wait()
		start := time.Now()
		r.check(r.Shutdown(t.Context()))
		r.shutdown = func(context.Context) error { return nil } // once
		synctest.Wait()
		if took := time.Since(start); took != 0 || response.Code != 503 {
			t.Errorf("Shutdown took %s, the scrape got %d", took, response.Code)
		}
		close(release)
	})
}
