package batcher

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// Several workers run batches at once, each with an index.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 1, Workers: 3}, WithObserver[int](seen.observer()))
		at := time.Now()
		if served, _ := burst(b, 6); served != 6 || time.Since(at) != 20*time.Millisecond {
			t.Errorf("%d were served in %s", served, time.Since(at))
		}
		workers := map[int]int{}
		for _, batch := range seen.batches {
			workers[batch.Worker]++
		}
		if len(workers) != 3 || workers[1] == 0 || workers[3] == 0 {
			t.Errorf("workers %v", workers)
		}
	})
}

// If the function calls runtime.Goexit, its batch fails and the worker continues.
func TestGoexit(t *testing.T) {
	for name, cfg := range map[string]Config{"at once": {MaxBatchSize: 1}, "in a search": {MaxBatchSize: 2, Retryable: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(func(_ context.Context, items []int) ([]int, error) {
					if len(items) == 1 && items[0] < 0 {
						runtime.Goexit()
					}
					if items[0] < 0 {
						return nil, errOdd
					}
					return items, nil
				}, cfg)
				do(context.Background(), b, 1) // the others are queued behind it
				for _, item := range []int{-1, 1, -1, 1} {
					bad := do(context.Background(), b, item, item)
					if got := <-bad; (item < 0) != errors.Is(got.err, ErrGoexit) {
						t.Errorf("%d: got %+v", item, got)
					}
				}
				stop(t, b)
			})
		})
	}
}

// A batch keeps the configuration with which it was sent.
func TestBatchesKeepTheirConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		release := make(chan struct{})
		b := start(held(release), Config{MaxBatchSize: 4}, WithObserver[int](seen.observer()))
		call := do(context.Background(), b, 1)
		check.OK(t, b.Configure(Config{MaxBatchSize: 9}))
		close(release)
		if got := <-call; got.Timing.MaxSize != 4 || seen.batches[0].MaxSize != 4 {
			t.Errorf("got %+v, reported %+v", got, seen.batches[0])
		}
	})
}
