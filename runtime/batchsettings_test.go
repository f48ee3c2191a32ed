package runtime_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Invalid batch options are errors.
func TestBatchDeclarations(t *testing.T) {
	app := newApp("Bad")
	runtime.HandleBatch[string, int](app, "encode", nil, runtime.Batching(batcher.Config{MaxBatchSize: -1, Policy: "cork"}))
	runtime.HandleBatch(app, "chan", func(context.Context, []chan int) ([]func(), error) { return nil, nil })
	runtime.HandleBatch(app, "sized", func(_ context.Context, in []string) ([]int, error) { return make([]int, len(in)), nil },
		runtime.SizeOf(func(int) int { return 1 }))
	runtime.Handle(app, "one", length, runtime.Batching(batcher.Config{}), runtime.ItemsField("texts"), runtime.SizeOf(func(text) int { return 1 }))
	runtime.HandleStream(app, "stream", words, runtime.Batching(batcher.Config{}))
	err := app.Check()
	for _, want := range []string{
		`service "Bad": API "stream": runtime.Batching: has an effect only with runtime.HandleBatch`,
		`service "Bad": API "encode": batching: max_batch_size: must be 0 (the default) or at least 1, found -1`, `policy: must be adaptive, idle or window, found "cork"`,
		`service "Bad": API "encode": function: must not be nil`,
		`service "Bad": API "sized": runtime.SizeOf: must be given a func(string) int, found func(int) int`,
		`service "Bad": API "chan": input: `, `service "Bad": API "chan": output: `,
		`service "Bad": API "one": runtime.Batching: has an effect only with runtime.HandleBatch`,
		`service "Bad": API "one": runtime.ItemsField: has an effect only with runtime.HandleBatch`,
		`service "Bad": API "one": runtime.SizeOf: has an effect only with runtime.HandleBatch`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}

// With SizeOf, items can count for more than 1.
func TestBatchSizes(t *testing.T) {
	app := newApp("Sized")
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []string) ([]int, error) {
		return slices.Repeat([]int{len(in)}, len(in)), nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 6}), runtime.SizeOf(func(s string) int { return len(s) }))
	direct(t, app).post("/encode", `{"items":["aaaa","bb","c","ddddddddd","e"]}`).want(t, 200, "[2,2,1,1,1]")
}

// The key workers overrides the declared workers, with more or fewer.
func TestWorkersAreConfigured(t *testing.T) {
	for _, want := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int64
			app := newApp("S", settings(func(c *config.Config) { c.Services = map[string]config.Service{"S": {Workers: &want}} }))
			runtime.HandleBatch(app, "encode", func(_ context.Context, in []string) ([]int, error) {
				for now, before := running.Add(1), most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
				}
				time.Sleep(time.Second)
				running.Add(-1)
				return make([]int, len(in)), nil
			}, runtime.Batching(batcher.Config{MaxBatchSize: 1, Workers: 5 - want}))
			s := direct(t, app)
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() { s.post("/encode", `{"items":"a"}`).want(t, 200, "0") })
			}
			clients.Wait()
			if got := int(most.Load()); got != want {
				t.Errorf("%d batches at once, want %d", got, want)
			}
		})
	}
}
