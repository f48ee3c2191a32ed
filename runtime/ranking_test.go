package runtime_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Requests wait by their priority, and tenants take turns, in the queue of an API that is called
// in process too. A low one loses its place in a full queue.
func TestRankedQueue(t *testing.T) {
	for _, path := range []string{"/work", "/calls"} {
		synctest.Test(t, func(t *testing.T) {
			var order []string
			app := newApp("Ranked", settings(func(c *config.Config) {
				c.Traffic.PriorityHeader, c.Traffic.TenantHeader = "X-Priority", "x-tenant"
				c.Services = map[string]config.Service{"Model": {Traffic: config.ServiceTraffic{MaxConcurrency: new(1), MaxQueue: new(4)}}}
			}), runtime.WithLogger(quiet()))
			work := func(_ context.Context, in struct{ Name string }) (string, error) {
				order = append(order, in.Name)
				time.Sleep(time.Second)
				return in.Name, nil
			}
			if path == "/calls" {
				inner := runtime.Handle(app.AddService("Model"), "work", work)
				runtime.Handle(app, "calls", func(ctx context.Context, in struct{ Name string }) (string, error) { return inner.Call(ctx, in) })
			} else {
				app = newApp("Model", settings(func(c *config.Config) {
					c.Traffic.PriorityHeader, c.Traffic.TenantHeader, c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = "X-Priority", "x-tenant", 1, 4
				}), runtime.WithLogger(quiet()))
				runtime.Handle(app, "work", work)
			}
			s := direct(t, app)
			var all sync.WaitGroup
			for _, one := range []struct {
				name, tenant, priority string
				want                   int
			}{{"a1", "a", "", 200}, {"a2", "a", "", 200}, {"a3-", "a", " LOW", 429}, {"a4", "a", "", 200}, {"b1", "b", "high", 200}, {"c1", "", "", 200}} {
				all.Go(func() {
					got := s.do("POST", path, `{"Name":"`+one.name+`"}`, "X-Tenant", one.tenant, "X-Priority", one.priority)
					check.Equal(t, got.status, one.want)
				})
				synctest.Wait()
			}
			all.Wait()
			check.Equal(t, strings.Join(order, " "), "a1 a2 b1 c1 a4")
			check.Contains(t, s.samples("ekiben_traffic_refused_total", `"full"`), "} 1.0")
		})
	}
}

// Items wait by the same ranks in the queue of a batch, of calls in process too.
func TestRankedBatches(t *testing.T) {
	for _, path := range []string{"/work", "/calls"} {
		synctest.Test(t, func(t *testing.T) {
			var order []string
			app := newApp("Ranked", settings(func(c *config.Config) {
				c.Traffic.PriorityHeader, c.Traffic.TenantHeader = "X-Priority", "X-Tenant"
			}), runtime.WithLogger(quiet()))
			work := runtime.HandleBatch(app, "work", func(_ context.Context, items []string) ([]string, error) {
				order = append(order, items...)
				time.Sleep(time.Second)
				return items, nil
			}, runtime.Batching(batcher.Config{MaxBatchSize: 1, MaxQueue: 4, Policy: batcher.PolicyIdle}))
			runtime.Handle(app, "calls", func(ctx context.Context, in struct{ Items []string }) ([]string, error) {
				return work.Call(ctx, in.Items)
			})
			s := direct(t, app)
			var all sync.WaitGroup
			for _, one := range []struct {
				name, tenant, priority string
				want                   int
			}{{"a1", "a", "", 200}, {"a2", "a", "", 200}, {"a3-", "a", "low", 503}, {"a4", "a", "", 200}, {"b1", "b", "", 200}, {"c1", "", "", 200}} {
				all.Go(func() {
					got := s.do("POST", path, `{"items":["`+one.name+`"],"Items":["`+one.name+`"]}`, "X-Tenant", one.tenant, "X-Priority", one.priority)
					check.Equal(t, got.status, one.want)
				})
				synctest.Wait()
			}
			all.Wait()
			check.Equal(t, strings.Join(order, " "), "a1 b1 c1 a2 a4")
			check.Contains(t, s.samples("ekiben_batch_refused_total", `"queue_full"`), "} 1.0")
		})
	}
}
