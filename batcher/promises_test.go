package batcher

import (
	"context"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// told counts refusals by reason.
func (r *recorder) told() map[Refusal]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[Refusal]int{}
	for _, why := range r.refused {
		counts[why]++
	}
	return counts
}

// A window longer than the time there is does not starve anybody: neither
// before anything is known of what batches take, nor after.
func TestWindowsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: time.Second})
		for range 5 {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			if _, err := b.Do(ctx, []int{1}); err != nil {
				t.Error(err)
			}
			cancel()
		}
		// The second of the queue has less time than the first.
		go func() { _, _ = b.Do(context.Background(), []int{1}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if res, err := b.Do(ctx, []int{1}); err != nil || res.Timing.Items != 2 {
			t.Errorf("got %+v, %v", res.Timing, err)
		}
	})
}

// Observers are called without locks: one that asks the batcher is answered.
func TestObserversAreCalledWithoutLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Batcher[int, int]
		var asked atomic.Int64
		ask := func() { b.Queued(); asked.Add(1) }
		b = start(doubler(300*time.Millisecond, 0), Config{MaxBatchSize: 1, MaxLatency: 50 * time.Millisecond}, WithObserver[int](Observer{func(Batch) { ask() }, func(Refused) { ask() }}))
		go func() { _, _ = b.Do(context.Background(), []int{1}) }()
		synctest.Wait()
		if _, err := b.Do(context.Background(), []int{2}); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		if err := b.Close(context.Background()); err != nil || asked.Load() != 2 {
			t.Errorf("asked %d times, %v", asked.Load(), err)
		}
	})
}

// A caller that has left may use its slice again: its items were copied. The
// race detector is the judge.
func TestItemsAreCopiedInTime(t *testing.T) {
	b := start(func(_ context.Context, items []int) ([]int, error) { return items, nil }, Config{Workers: 8, Policy: PolicyIdle})
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				items := make([]int, 64)
				go func() { runtime.Gosched(); cancel() }()
				if _, err := b.Do(ctx, items); err != nil {
					items[0], items[63] = 1, 1
				}
			}
		})
	}
	callers.Wait()
}

// A caller that is refused while another part of its list runs counts as gone:
// the batch's context ends, and the worker goes on.
func TestTheRefusedAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(func(ctx context.Context, items []int) ([]int, error) {
			if items[0] != 3 {
				<-ctx.Done()
			}
			return items, ctx.Err()
		}, Config{MaxBatchSize: 1, MaxLatency: 50 * time.Millisecond})
		if _, err := b.Do(context.Background(), []int{1, 2}); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		if _, err := b.Do(context.Background(), []int{3}); err != nil {
			t.Errorf("the next call: %v", err)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// An outage is not searched for a bad item for long, nor for callers who are
// gone or late.
func TestTheSearchEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   Config
		leave time.Duration
		calls int // at most, after the batch's own and the first caller's
	}{
		{"outage", Config{}, 0, 7 + 4},
		{"deadline", Config{MaxLatency: 4 * time.Second}, 0, 3},
		{"all have left", Config{}, 2500 * time.Millisecond, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c.cfg.Retryable = true
				b := start(func(context.Context, []int) ([]int, error) {
					calls++
					time.Sleep(time.Second)
					return nil, errOdd
				}, c.cfg)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var callers sync.WaitGroup
				for i := range 101 {
					callers.Go(func() {
						if _, err := b.Do(ctx, []int{i}); err == nil {
							t.Error("a result")
						}
					})
					synctest.Wait()
				}
				if c.leave > 0 {
					time.Sleep(c.leave)
					cancel()
				}
				callers.Wait()
				if err := b.Close(context.Background()); err != nil || calls > c.calls+2 || calls < 3 {
					t.Errorf("%d calls, %v", calls, err)
				}
			})
		})
	}
}

// Errors that are all nil are success, in whatever shape; errors of all items
// need no results beside them.
func TestErrorsWithoutErrors(t *testing.T) {
	var seen recorder
	var returned error
	b := start(func(_ context.Context, items []int) ([]int, error) { return items, returned }, Config{}, WithObserver[int](seen.observer()))
	for _, returned = range []error{make(Errors, 1), Errors(nil), Errors{}} {
		if res, err := b.Do(context.Background(), []int{7}); err != nil || !slices.Equal(res.Items, []int{7}) {
			t.Errorf("%#v: got %v, %v", returned, res.Items, err)
		}
		if text := returned.Error(); text != "no error" {
			t.Errorf("it says %q", text)
		}
	}
	if err := b.Close(context.Background()); err != nil || b.core.Predict(1) <= 0 {
		t.Error("nothing was learned")
	}
	for _, batch := range seen.batches {
		if batch.Failed {
			t.Error("a batch without an error failed")
		}
	}
	b = start(func(context.Context, []int) ([]int, error) { return nil, Errors{errOdd} }, Config{})
	if _, err := b.Do(context.Background(), []int{7}); !errors.Is(err, errOdd) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(Errors{nil, errOdd}, errOdd) {
		t.Error("the errors of items cannot be found")
	}
}

// Sizes are the caller's to choose: huge ones neither hold the batcher up nor
// overflow.
func TestHugeSizes(t *testing.T) {
	b := start(func(_ context.Context, items []int) ([]int, error) { return items, nil }, Config{}, SizeOf[int](func(i int) int { return i }))
	for range 3 {
		_, err := b.Do(context.Background(), []int{1 << 30, math.MaxInt, 1 << 62, -5})
		if err != nil && !errors.Is(err, ErrOverloaded) { // by what such a batch is estimated to take
			t.Error(err)
		}
	}
}

// With batching off each call is a batch, and everything else holds.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		var running, most atomic.Int64
		b := start(func(ctx context.Context, items []int) ([]int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(10 * time.Millisecond)
			running.Add(-1)
			if len(RequestContexts(ctx)) != 1 {
				t.Error("a batch of several calls")
			}
			return items, nil
		}, Config{Disabled: true, MaxBatchSize: 100, Policy: PolicyWindow, Window: time.Hour}, SizeOf[int](func(i int) int { return i }), WithObserver[int](seen.observer()))
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				if res, err := b.Do(context.Background(), []int{90, 90}); err != nil || len(res.Items) != 2 {
					t.Errorf("got %v, %v", res.Items, err)
				}
			})
		}
		callers.Wait()
		if most.Load() != 1 || !slices.Equal(seen.sizes(), []int{1, 1, 1, 1, 1, 1, 1, 1}) {
			t.Errorf("%d at once, batches of %v", most.Load(), seen.sizes())
		}
		// 20 ms a call, and 90 ms for each: what would be late is refused.
		var served atomic.Int64
		b.Configure(Config{Disabled: true, MaxBatchSize: 100, MaxLatency: 90 * time.Millisecond})
		for range 10 {
			callers.Go(func() {
				if _, err := b.Do(context.Background(), []int{90, 90}); err == nil {
					served.Add(1)
				}
			})
		}
		callers.Wait()
		if served.Load() != 4 {
			t.Errorf("%d of 10 calls were served, want 4", served.Load())
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := b.Do(context.Background(), []int{1}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Whoever gets no result is told of, by the reason.
func TestRefusalsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		release := make(chan struct{})
		b := start(func(_ context.Context, items []int) ([]int, error) { <-release; return items, nil }, Config{MaxBatchSize: 1}, WithObserver[int](seen.observer()))
		var callers sync.WaitGroup
		call := func(ctx context.Context) { callers.Go(func() { _, _ = b.Do(ctx, []int{1}) }) }
		call(context.Background())
		synctest.Wait()
		late, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		call(late)
		leaving, leave := context.WithCancel(context.Background())
		call(leaving)
		synctest.Wait()
		leave()
		time.Sleep(2 * time.Second)
		if got := seen.told(); !maps.Equal(got, map[Refusal]int{RefusalExpired: 1, RefusalLeft: 1}) {
			t.Errorf("told %v", got)
		}
		for range 3 {
			call(context.Background())
		}
		synctest.Wait()
		ended, end := context.WithCancel(context.Background())
		end()
		if err := b.Close(ended); err == nil {
			t.Error("it is closed while a batch runs")
		}
		close(release)
		callers.Wait()
		if got := seen.told(); got[RefusalClosed] != 3 {
			t.Errorf("told %v", got)
		}
	})
}

// A batcher at rest closes whatever the context says.
func TestCloseAtRest(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		if err := start(doubler(0, 0), Config{}).Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// Queued counts items, whatever their size.
func TestQueuedCountsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(func(_ context.Context, items []int) ([]int, error) { <-release; return items, nil }, Config{MaxBatchSize: 1}, SizeOf[int](func(int) int { return 500 }))
		for _, items := range [][]int{{1}, {1, 2}} {
			go func() { _, _ = b.Do(context.Background(), items) }()
			synctest.Wait()
		}
		if requests, items := b.Queued(); requests != 1 || items != 2 {
			t.Errorf("%d requests, %d items", requests, items)
		}
		close(release)
		synctest.Wait()
		if requests, items := b.Queued(); requests != 0 || items != 0 {
			t.Errorf("%d requests, %d items are left", requests, items)
		}
	})
}

// A function that ends its goroutine fails its batch, and the worker goes on.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(func(_ context.Context, items []int) ([]int, error) {
			if items[0] == 0 {
				runtime.Goexit()
			}
			return items, nil
		}, Config{MaxBatchSize: 1})
		var callers sync.WaitGroup
		for i := range 4 {
			callers.Go(func() {
				if _, err := b.Do(context.Background(), []int{i % 2}); i%2 == 1 && err != nil || i%2 == 0 && !errors.Is(err, ErrGoexit) {
					t.Errorf("call %d: %v", i, err)
				}
			})
		}
		callers.Wait()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A list that goes in several batches waited once.
func TestQueueTimesAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queued []time.Duration
		b := start(doubler(time.Second, 0), Config{MaxBatchSize: 1}, WithObserver[int](Observer{Batched: func(b Batch) { queued = append(queued, b.Queued...) }}))
		if _, err := b.Do(context.Background(), []int{1, 2, 3}); err != nil || len(queued) != 1 || queued[0] != 0 {
			t.Errorf("got %v, %v", queued, err)
		}
	})
}

// A latency that is lowered holds for whoever comes after, though others who
// have more time are queued before.
func TestLatencyIsLowered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(func(_ context.Context, items []int) ([]int, error) { <-release; return items, nil }, Config{MaxBatchSize: 1})
		for range 2 {
			go func() { _, _ = b.Do(context.Background(), []int{1}) }()
			synctest.Wait()
		}
		b.Configure(Config{MaxBatchSize: 1, MaxLatency: 50 * time.Millisecond})
		at := time.Now()
		if _, err := b.Do(context.Background(), []int{1}); !errors.Is(err, ErrOverloaded) || time.Since(at) > 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(at))
		}
		close(release)
	})
}

// Hurry ends a window that is on its way, and those to come.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: time.Second})
		go func() {
			time.Sleep(time.Millisecond)
			b.Drain()
		}()
		for range 2 {
			at := time.Now()
			if res, err := b.Do(context.Background(), []int{1}); err != nil || res.Timing.Reason != ReasonDrain || time.Since(at) > 2*time.Millisecond {
				t.Errorf("%v, %v after %v", err, res.Timing.Reason, time.Since(at))
			}
		}
	})
}
