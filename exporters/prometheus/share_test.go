package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.opentelemetry.io/otel/metric"
)

// observed is a rig with one observable gauge, depth, with a callback of the test. Its
// value is the number of the collection.
type observed struct {
	*rig
	collections atomic.Int64
	callback    func(ctx context.Context, n int64) error
}

func newObserved(t *testing.T, callback func(ctx context.Context, n int64) error) *observed {
	o := &observed{rig: newRig(t, DefaultConfig()), callback: callback}
	must(o.mp.Meter("app").Int64ObservableGauge("depth", metric.WithInt64Callback(func(ctx context.Context, to metric.Int64Observer) error {
		n := o.collections.Add(1)
		to.Observe(n)
		return o.callback(ctx, n)
	})))
	return o
}

// scrape starts a scrape with a timeout in seconds, "" for the default.
func (o *observed) scrape(ctx context.Context, timeout, accept string) <-chan *httptest.ResponseRecorder {
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("Accept", accept)
		if timeout != "" {
			r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", timeout)
		}
		w := httptest.NewRecorder()
		o.ServeHTTP(w, r)
		done <- w
	}()
	synctest.Wait()
	return done
}

func depth(n int) string { return fmt.Sprintf("# HELP depth \n# TYPE depth gauge\ndepth %d.0\n", n) }

// Many scrapes at the same time need one collection, and one encoding per format.
func TestScrapesShareACollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(context.Context, int64) error { time.Sleep(400 * time.Millisecond); return nil })
		var scrapes []<-chan *httptest.ResponseRecorder
		for i := range 200 {
			scrapes = append(scrapes, o.scrape(t.Context(), "0.8", []string{"text/plain", "application/openmetrics-text"}[i%2]))
		}
		for i, s := range scrapes {
			want := depth(1) + []string{"", "# EOF\n"}[i%2]
			w := <-s
			same(t, "response", w.Body.String(), want)
			same(t, "length", w.Header().Get("Content-Length"), fmt.Sprint(len(want)))
		}
		if got := o.collections.Load(); got != 1 || o.ScrapeErrors() != 0 {
			t.Errorf("%d collections, %d errors, want 1 and 0", got, o.ScrapeErrors())
		}
		if s := &o.shared.store; len(s.live) != 0 || s.unread != 0 || len(s.free) != 2 {
			t.Errorf("%d responses are live, %d bytes unread, %d chunks free; want 0, 0 and 2", len(s.live), s.unread, len(s.free))
		}
	})
}

// Three scrapers each second with a timeout of 0.8 s, beside a callback that
// takes half of it: all succeed.
func TestScrapersWithSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(context.Context, int64) error { time.Sleep(350 * time.Millisecond); return nil })
		var scrapes []<-chan *httptest.ResponseRecorder
		for range 20 {
			for range 3 {
				scrapes = append(scrapes, o.scrape(t.Context(), "0.8", ""))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(700 * time.Millisecond)
		}
		for i, s := range scrapes {
			if w := <-s; w.Code != http.StatusOK {
				t.Errorf("scrape %d: %d %s", i, w.Code, w.Body)
			}
		}
		if got := o.collections.Load(); got != 20 {
			t.Errorf("%d collections, want 20", got)
		}
	})
}

// A scraper with a short timeout does not take the metric of a slow callback from one
// that has more time, whichever comes first.
func TestShortTimeoutBesideLong(t *testing.T) {
	for _, order := range [][]string{{"0.5", "10"}, {"10", "0.5"}} {
		synctest.Test(t, func(t *testing.T) {
			cut := int64(0) // the collection in which the callback failed
			o := newObserved(t, func(ctx context.Context, n int64) error {
				select {
				case <-time.After(2 * time.Second):
					return nil
				case <-ctx.Done():
					cut = n
					return ctx.Err()
				}
			})
			scrapes := map[string]<-chan *httptest.ResponseRecorder{}
			for _, timeout := range order {
				scrapes[timeout] = o.scrape(t.Context(), timeout, "")
				time.Sleep(100 * time.Millisecond)
			}
			<-scrapes["0.5"]
			same(t, "with 10 s", (<-scrapes["10"]).Body.String(), depth(int(cut)+1))
		})
	}
}

// A scrape that arrives after the collection ended gets values of a later one,
// even while the responses of the first are not read.
func TestNoOlderValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(context.Context, int64) error { time.Sleep(time.Second); return nil })
		first := o.scrape(t.Context(), "", "")
		time.Sleep(500 * time.Millisecond)
		joined := o.scrape(t.Context(), "", "")
		same(t, "first", (<-first).Body.String(), depth(1))
		same(t, "joined", (<-joined).Body.String(), depth(1))
		same(t, "later", (<-o.scrape(t.Context(), "", "")).Body.String(), depth(2))
	})
}

// A scrape that arrives while responses are encoded waits for the next collection, also
// if its variant is another one.
func TestNoScrapeJoinsAnEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := 0
		s := &sharing{}
		s.render = func(_ context.Context, claim func() []variant) (map[variant]*body, error) {
			rounds++
			bodies := map[variant]*body{}
			for _, v := range claim() {
				bodies[v] = &body{store: &s.store, size: rounds}
			}
			time.Sleep(time.Second) // it encodes
			return bodies, nil
		}
		var scrapes sync.WaitGroup
		get := func(v variant, want int) {
			scrapes.Go(func() {
				b, err := s.get(t.Context(), scrape{v, time.Minute})
				if err != nil || b == nil || b.size != want {
					t.Errorf("%v: got %+v, %v, want the response of round %d", v, b, err, want)
					return
				}
				s.release(b)
			})
			synctest.Wait()
		}
		get(variant{}, 1)
		get(variant{}, 2)
		get(variant{gzip: true}, 2)
		scrapes.Wait()
	})
}

// No collection begins for a client that has left, and the context of one that
// runs ends with its last client.
func TestClientsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		o := newObserved(t, func(ctx context.Context, n int64) error {
			if n == 1 {
				<-ctx.Done()
				cause = ctx.Err()
				time.Sleep(time.Second)
			}
			return nil
		})
		one, leaveOne := context.WithCancel(t.Context())
		two, leaveTwo := context.WithCancel(t.Context())
		scrapes := []<-chan *httptest.ResponseRecorder{o.scrape(one, "", ""), o.scrape(two, "", "")}
		leaveOne()
		synctest.Wait()
		if cause != nil {
			t.Errorf("the collection was canceled while a client waited: %v", cause)
		}
		leaveTwo()
		synctest.Wait()
		if !errors.Is(cause, context.Canceled) {
			t.Errorf("after the last client left: %v", cause)
		}
		three, leaveThree := context.WithCancel(t.Context())
		scrapes = append(scrapes, o.scrape(three, "", ""))
		leaveThree()
		for _, s := range scrapes {
			if w := <-s; w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", w.Code)
			}
		}
		time.Sleep(time.Minute)
		if got := o.collections.Load(); got != 1 || o.ScrapeErrors() != 0 {
			t.Errorf("%d collections, %d errors, want 1 and 0", got, o.ScrapeErrors())
		}
		same(t, "afterwards", (<-o.scrape(t.Context(), "", "")).Body.String(), depth(2))
	})
}

// While a callback hangs, each client waits until its timeout, and only the goroutine
// of the collection remains. When the callback returns, everything works again.
func TestHangingCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		o := newObserved(t, func(context.Context, int64) error { <-hang; return nil })
		var total int64
		for i, row := range []struct {
			timeout string
			want    time.Duration
		}{
			{"0.8", 720 * time.Millisecond}, {"", 9500 * time.Millisecond}, {"60", 59500 * time.Millisecond}, {"1e9", 10*time.Minute - maxMargin},
			{"none", 9500 * time.Millisecond}, {"-1", 9500 * time.Millisecond}, {"NaN", 9500 * time.Millisecond}, {"Inf", 10*time.Minute - maxMargin}, {"1e-300", 90 * time.Millisecond}, {"0.09", 90 * time.Millisecond}, {"0.11", 99 * time.Millisecond},
		} {
			began := time.Now()
			w := <-o.scrape(t.Context(), row.timeout, "")
			if got := time.Since(began); got != row.want || w.Code != http.StatusServiceUnavailable {
				t.Errorf("timeout %q: %d after %s, want 503 after %s", row.timeout, w.Code, got, row.want)
			}
			why := "the collection did not finish"
			if i > 0 {
				why = "an earlier collection still runs"
			}
			same(t, "body", w.Body.String(), fmt.Sprintf("exporters/prometheus: collect: the scrape waited too long: %s; a metric callback or the provider is slow or hangs (waited %s)\n", why, row.want))
			total++
		}
		if got := o.ScrapeErrors(); got != total {
			t.Errorf("ScrapeErrors %d, want %d", got, total)
		}
		if got := o.collections.Load(); got != 1 {
			t.Errorf("%d collections, and a goroutine for each, want 1", got)
		}
		if got := strings.Count(o.log.String(), "\n"); got != 2 {
			t.Errorf("%d log lines, want one for each reason:\n%s", got, o.log)
		}
		close(hang)
		same(t, "afterwards", (<-o.scrape(t.Context(), "", "")).Body.String(), depth(2))
	})
}

// The context of a collection ends before its scrapes must respond. If a callback
// watches its context, only its own metric is missing.
func TestCallbackHeedsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(ctx context.Context, _ int64) error { <-ctx.Done(); return context.Cause(ctx) })
		must(o.mp.Meter("app").Int64Gauge("other")).Record(t.Context(), 3)
		w := <-o.scrape(t.Context(), "1", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "\nother 3.0\n") {
			t.Errorf("got %d\n%s", w.Code, w.Body)
		}
		if got := o.ScrapeErrors(); got != 1 {
			t.Errorf("ScrapeErrors %d, want 1", got)
		}
	})
}

// After Shutdown, scrapes stop waiting although a callback hangs.
func TestShutdownDuringCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		o := newObserved(t, func(context.Context, int64) error { <-hang; return nil })
		running, gone := o.scrape(t.Context(), "", ""), o.scrape(t.Context(), "1", "")
		<-gone
		began := time.Now()
		check.OK(t, o.Shutdown(t.Context()))
		for _, s := range []<-chan *httptest.ResponseRecorder{running, o.scrape(t.Context(), "", "")} {
			w := <-s
			same(t, "body", w.Body.String(), "exporters/prometheus: collect: reader is shutdown\n")
			if w.Code != http.StatusServiceUnavailable || time.Since(began) != 0 {
				t.Errorf("status %d after %s, want 503 at once", w.Code, time.Since(began))
			}
		}
		close(hang)
	})
}

// If a callback ends its goroutine, the process continues and scrapes get a response.
func TestCallbackExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(_ context.Context, n int64) error {
			if n == 1 {
				runtime.Goexit()
			}
			return nil
		})
		w := <-o.scrape(t.Context(), "", "")
		same(t, "body", w.Body.String(), errExit.Error()+"\n")
		if w.Code != http.StatusInternalServerError || o.ScrapeErrors() != 1 {
			t.Errorf("status %d, %d errors, want 500 and 1", w.Code, o.ScrapeErrors())
		}
		same(t, "afterwards", (<-o.scrape(t.Context(), "", "")).Body.String(), depth(2))
	})
}
