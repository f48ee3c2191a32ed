package batcher

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestCallsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 4}, WithObserver[int](seen.observer()))
		var calls []<-chan outcome[int]
		for i := range 5 {
			calls = append(calls, do(context.Background(), b, []int{i, 10 + i, 20 + i}[:1+i%3]...))
			time.Sleep(time.Millisecond)
		}
		for i, call := range calls {
			want := []int{2 * i, 20 + 2*i, 40 + 2*i}[:1+i%3]
			if got := <-call; got.err != nil || !slices.Equal(got.Items, want) || got.Timing.Compute < 10*time.Millisecond {
				t.Errorf("call %d: got %+v, want %v", i, got, want)
			}
		}
		// The first call is sent alone. The 2 + 3 + 1 + 2 items of the others are
		// sent four at a time, those of the third in two batches.
		if got := seen.sizes(); !slices.Equal(got, []int{1, 4, 4}) {
			t.Errorf("batches of %v", got)
		}
		stop(t, b)
	})
}

// A call without items is counted, and does not call the function. After Close it is
// refused like any other.
func TestNoItems(t *testing.T) {
	var seen recorder
	b := start(func(context.Context, []int) ([]int, error) { return nil, errOdd }, Config{}, WithObserver[int](seen.observer()))
	if got, err := b.Do(context.Background(), nil); err != nil || got.Items == nil || len(got.Items) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	stop(t, b)
	if got, err := b.Do(context.Background(), nil); !errors.Is(err, ErrClosed) || got.Items != nil {
		t.Errorf("after Close: got %v, %v", got, err)
	}
	if len(seen.batches) != 1 || seen.batches[0].Requests != 1 || seen.batches[0].Items != 0 || seen.refused[RefusalClosed] != 1 {
		t.Errorf("reported %+v and %v", seen.batches, seen.refused)
	}
}

// A call that takes part in several batches is timed from the first to the last.
func TestTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 2})
		got, err := b.Do(context.Background(), make([]int, 5))
		want := Timing{Queue: 0, Compute: 30 * time.Millisecond, Items: 1, MaxSize: 2, Reason: ReasonIdle}
		if err != nil || got.Timing != want {
			t.Errorf("got %+v, %v; want %+v", got.Timing, err, want)
		}
	})
}

// Forty calls come at once, a batch of four takes 30 ms, and MaxLatency is 100 ms:
// three batches can end in time. The first batch has one call if there is no
// estimate yet.
func TestOverload(t *testing.T) {
	for name, want := range map[string]int{"cold": 9, "warm": 12} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(doubler(30*time.Millisecond, 0), Config{MaxBatchSize: 4, MaxLatency: 100 * time.Millisecond})
				if name == "warm" {
					for range 10 {
						burst(b, 4)
						time.Sleep(time.Second)
					}
				}
				if served, refused := burst(b, 40); served < want || served+refused != 40 {
					t.Errorf("%d of 40 were served, %d refused; want %d served", served, refused, want)
				}
			})
		})
	}
}

// The function does not compute items of a caller that has left; the other callers
// get their results. The context of a batch ends when its last caller leaves.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		canceled := false
		b := start(func(ctx context.Context, items []int) ([]int, error) {
			select {
			case <-ctx.Done():
				canceled = true
			case <-time.After(10 * time.Millisecond):
			}
			return items, nil
		}, Config{MaxBatchSize: 4}, WithObserver[int](seen.observer()))
		first := do(context.Background(), b, 1)
		leaving, leave := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer leave()
		second, others := do(leaving, b, 2), []<-chan outcome[int]{do(context.Background(), b, 3), do(context.Background(), b, 4)}
		if got := <-first; got.err != nil || got.Items[0] != 1 {
			t.Errorf("the first got %+v", got)
		}
		if got := <-second; !errors.Is(got.err, context.DeadlineExceeded) && !errors.Is(got.err, ErrOverloaded) {
			t.Errorf("the second got %+v", got)
		}
		for i, other := range others {
			if got := <-other; got.err != nil || got.Items[0] != 3+i {
				t.Errorf("another got %+v", got)
			}
		}
		if got := seen.sizes(); !slices.Equal(got, []int{1, 2}) || canceled {
			t.Errorf("batches of %v, one canceled: %t", got, canceled)
		}
		leaving, leave = context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, leave)
		if _, err := b.Do(leaving, []int{1}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if last := seen.batches[len(seen.batches)-1]; !canceled || last.Abandoned != 1 {
			t.Errorf("canceled: %t, reported %+v", canceled, last)
		}
	})
}

// A caller that has left may modify its slice: the items were copied. Otherwise the
// race detector would report it.
func TestItemsAreCopied(t *testing.T) {
	b := start(echo, Config{Workers: 8, Policy: PolicyIdle})
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

// A call that is refused while some of its items are computed counts as left: the
// context of the batch ends, and the worker continues.
func TestExpiredCallsAreNotWaitedFor(t *testing.T) {
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
		stop(t, b)
	})
}

// With batching disabled, each call is a batch. Limits still apply.
func TestDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		var running, most atomic.Int64
		b := start(func(ctx context.Context, items []int) ([]int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(10 * time.Millisecond)
			running.Add(-1)
			if n := len(RequestContexts(ctx)); n != 1 {
				t.Errorf("a batch of %d calls", n)
			}
			return items, nil
		}, Config{Disabled: true, Policy: PolicyWindow, Window: time.Hour}, SizeOf(func(i int) int { return i }), WithObserver[int](seen.observer()))
		if served, _ := burst(b, 4, 90, 90); served != 4 || most.Load() != 1 {
			t.Errorf("%d were served, %d at once", served, most.Load())
		}
		if got := seen.sizes(); !slices.Equal(got, []int{1, 1, 1, 1, 1, 1, 1, 1}) { // two of size 90 do not fit into 100
			t.Errorf("batches of %v", got)
		}
		check.OK(t, b.Configure(Config{Disabled: true, MaxLatency: 90 * time.Millisecond}))
		if served, refused := burst(b, 10, 90, 90); served != 4 || refused != 6 { // each takes 20 ms
			t.Errorf("%d were served, %d refused", served, refused)
		}
	})
}

// No call is lost while the configuration changes.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{MaxBatchSize: 2})
		var served int
		var calls sync.WaitGroup
		calls.Go(func() { served, _ = burst(b, 1000) })
		for i := range 100 {
			time.Sleep(time.Millisecond)
			cfg := Config{MaxBatchSize: 1 + i%7, Workers: 1 + i%3, Policy: []Policy{PolicyAdaptive, PolicyIdle, PolicyWindow}[i%3], Window: time.Millisecond}
			check.OK(t, b.Configure(cfg))
		}
		if calls.Wait(); served != 1000 {
			t.Errorf("%d of 1000 were served", served)
		}
	})
}

// A shorter MaxLatency applies to new calls, even if calls with more time are queued
// before them.
func TestConfigureMaxLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(held(release), Config{MaxBatchSize: 1})
		do(context.Background(), b, 1)
		do(context.Background(), b, 1)
		check.OK(t, b.Configure(Config{MaxBatchSize: 1, MaxLatency: 50 * time.Millisecond}))
		at := time.Now()
		if _, err := b.Do(context.Background(), []int{1}); !errors.Is(err, ErrOverloaded) || time.Since(at) > 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(at))
		}
		close(release)
	})
}

// Queued counts items, not their sizes.
func TestQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(held(release), Config{MaxBatchSize: 1}, SizeOf(func(int) int { return 500 }))
		do(context.Background(), b, 1)
		do(context.Background(), b, 1, 2)
		if calls, items := b.Queued(); calls != 1 || items != 2 {
			t.Errorf("%d calls, %d items", calls, items)
		}
		close(release)
		synctest.Wait()
		if calls, items := b.Queued(); calls != 0 || items != 0 {
			t.Errorf("%d calls, %d items are left", calls, items)
		}
	})
}
