package runtime_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Requests that wait for the slots of one endpoint leave the other slots to the others, also if
// they have all places of the queue. An endpoint that is slow makes no request for another one late.
func TestQueueOfOneEndpoint(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Two", settings(func(c *config.Config) {
			c.HTTP.H2C = true
			c.Traffic.Timeout, c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = 50*time.Second, 3, 3
		}), runtime.WithLogger(quiet()))
		sleep := func(d time.Duration) func(context.Context, struct{}) (int, error) {
			return func(context.Context, struct{}) (int, error) { time.Sleep(d); return 0, nil }
		}
		runtime.Handle(app, "slowly", sleep(10*time.Second), runtime.MaxConcurrency(1))
		runtime.Handle(app, "quickly", sleep(time.Second), runtime.MaxConcurrency(1))
		runtime.Handle(app, "work", sleep(time.Second))
		s := host.start(t, app)
		var all sync.WaitGroup
		start := func(path string, want int) {
			all.Go(func() { check.Equal(t, s.post(path, "{}").status, want) })
			synctest.Wait()
		}
		for range 4 {
			start("/slowly", 200)
		}
		start("/slowly", 429)
		s.post("/work", "{}").want(t, 200, "0")
		s.post("/quickly", "{}").want(t, 200, "0")
		start("/quickly", 200)
		start("/quickly", 429) // it must wait, and the places are those of the service
		time.Sleep(21 * time.Second)
		start("/quickly", 200) // one is admitted each 10 s: to /slowly
		check.Equal(t, s.do("POST", "/slowly", "{}", "Request-Timeout-Ms", "5000").status, 503)
		began := time.Now()
		all.Go(func() {
			s.do("POST", "/quickly", "{}", "Request-Timeout-Ms", "5000").want(t, 200, "0")
			check.Equal(t, time.Since(began), 2*time.Second)
		})
		all.Wait()
	})
}

// A request that waits for a slot of its endpoint runs when a reload adds one.
func TestReloadAdmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "config.yaml")
		put(t, file, "traffic: {max_queue: 9, endpoints: {/work: {max_concurrency: 1}}}\n")
		app := newApp("Reload", runtime.WithSource(config.Source{File: file}), runtime.WithLogger(quiet()))
		g := newGate()
		runtime.Handle(app, "work", g.wait)
		s := direct(t, app)
		for range 3 {
			go s.post("/work", "{}")
			synctest.Wait()
		}
		check.Contains(t, s.samples("ekiben_traffic_queued"), "} 2.0")
		put(t, file, "traffic: {max_queue: 9, endpoints: {/work: {max_concurrency: 2}}}\n")
		check.Must(t, app.Reload())
		check.Contains(t, s.samples("ekiben_traffic_queued"), "} 1.0")
		put(t, file, "traffic: {max_queue: 9}\n")
		check.Must(t, app.Reload())
		check.Contains(t, s.samples("ekiben_traffic_queued"), "} 0.0")
		close(g.release)
	})
}

// A tenant is the same one after a reload: its requests take one turn, whenever they came.
func TestReloadKeepsTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "config.yaml")
		put(t, file, "traffic: {max_queue: 9, max_concurrency: 1, tenant_header: X-Tenant}\n")
		app := newApp("Reload", runtime.WithSource(config.Source{File: file}), runtime.WithLogger(quiet()))
		var order []string
		runtime.Handle(app, "work", func(_ context.Context, in struct{ Name string }) (string, error) {
			order = append(order, in.Name)
			time.Sleep(time.Second)
			return "", nil
		})
		s := direct(t, app)
		var all sync.WaitGroup
		send := func(names ...string) {
			for _, name := range names {
				all.Go(func() { s.do("POST", "/work", `{"Name":"`+name+`"}`, "X-Tenant", name[:1]) })
				synctest.Wait()
			}
		}
		send("a0", "a1", "a2", "b1", "b2")
		check.Must(t, app.Reload())
		send("a3", "b3")
		all.Wait()
		check.Equal(t, strings.Join(order, " "), "a0 a1 b1 a2 b2 a3 b3")
	})
}
