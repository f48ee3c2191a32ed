package runtime_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A key without an effect is logged, but not if what the code declares gives it one. So is an
// option of the code without an effect.
func TestNoticesKnowTheCode(t *testing.T) {
	queue := settings(func(c *config.Config) { c.Traffic.MaxQueue, c.Traffic.QueueOrder = 5, "deadline" })
	ranks := settings(func(c *config.Config) { c.Traffic.PriorityHeader, c.Traffic.TenantHeader = "P", "T" })
	one := settings(func(c *config.Config) { c.Traffic.PriorityHeader, c.Traffic.TenantHeader = "P", "p" })
	slow := settings(func(c *config.Config) { c.Slow.Objective = time.Hour })
	idle := settings(func(c *config.Config) { c.Batching.Policy = "window" })
	encode := func(_ context.Context, in []string) ([]string, error) { return in, nil }
	for name, test := range map[string]struct {
		set     runtime.Option
		declare func(*runtime.App)
		want    []string
	}{
		"queue, no limit":   {queue, func(*runtime.App) {}, []string{"key=traffic.max_queue notice=\"has no effect", "key=traffic.queue_order notice=\"has no effect"}},
		"queue, code limit": {queue, func(a *runtime.App) { runtime.Handle(a, "b", length, runtime.MaxConcurrency(1)) }, nil},
		"ranks, no queue":   {ranks, func(*runtime.App) {}, []string{"key=traffic.priority_header notice=\"has no effect", "key=traffic.tenant_header notice=\"has no effect"}},
		"ranks, batches":    {ranks, func(a *runtime.App) { runtime.HandleBatch(a, "b", encode) }, nil},
		"one header":        {one, func(a *runtime.App) { runtime.HandleBatch(a, "b", encode) }, []string{"key=traffic.tenant_header notice=\"is the same header"}},
		"objective":         {slow, func(*runtime.App) {}, []string{"key=slow.objective notice=\"is not below"}},
		"objective, code":   {slow, func(a *runtime.App) { runtime.Handle(a, "b", length, runtime.Timeout(2*time.Hour)) }, nil},
		"window": {settings(func(*config.Config) {}), func(a *runtime.App) {
			runtime.HandleBatch(a, "b", encode, runtime.Batching(batcher.Config{Window: time.Second}))
		}, []string{`notice="service \"S\": API \"b\": runtime.Batching: Window has no effect, because the policy is adaptive: set Policy to batcher.PolicyWindow"`}},
		"window, configured": {idle, func(a *runtime.App) {
			runtime.HandleBatch(a, "b", encode, runtime.Batching(batcher.Config{Window: time.Second}))
		}, []string{"key=batching.policy notice="}},
	} {
		var log strings.Builder
		app := newApp("S", test.set, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		runtime.Handle(app, "a", length)
		test.declare(app)
		check.OK(t, app.Check())
		if strings.Count(log.String(), "msg=configuration") != len(test.want) {
			t.Errorf("%s: got\n%s, want %q", name, log.String(), test.want)
		}
		for _, want := range test.want {
			check.Contains(t, log.String(), "msg=configuration "+want)
		}
	}
}
