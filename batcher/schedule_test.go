package batcher

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// A window does not make a call late, whether batches have run before or not.
func TestWindowsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: time.Second})
		limited := func() context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		for range 5 {
			if _, err := b.Do(limited(), []int{1}); err != nil {
				t.Error(err)
			}
		}
		do(context.Background(), b, 1)
		// The second in the queue has less time than the first.
		if got, err := b.Do(limited(), []int{1}); err != nil || got.Timing.Items != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Drain ends a window that has begun, and later windows do not wait.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: time.Second})
		time.AfterFunc(time.Millisecond, b.Drain)
		for range 2 {
			at := time.Now()
			if got, err := b.Do(context.Background(), []int{1}); err != nil || got.Timing.Reason != ReasonDrain || time.Since(at) > 2*time.Millisecond {
				t.Errorf("%v, %v after %v", err, got.Timing.Reason, time.Since(at))
			}
		}
	})
}

func TestClose(t *testing.T) {
	for name, test := range map[string]struct {
		cfg    Config
		grace  time.Duration
		closed int // of three calls
	}{
		"queued calls are served":  {Config{MaxBatchSize: 2, Policy: PolicyWindow, Window: time.Hour}, time.Minute, 0},
		"the context ends before":  {Config{MaxBatchSize: 1}, 1500 * time.Millisecond, 1},
		"the context ends at once": {Config{MaxBatchSize: 1}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(doubler(time.Second, 0), test.cfg)
				var calls []<-chan outcome[int]
				for i := range 3 {
					calls = append(calls, do(context.Background(), b, i))
				}
				ctx, cancel := context.WithTimeout(context.Background(), test.grace)
				defer cancel()
				err := b.Close(ctx)
				if test.closed == 0 && err != nil || test.closed > 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				closed := 0
				for _, call := range calls {
					switch got := <-call; {
					case errors.Is(got.err, ErrClosed):
						closed++
					case got.err != nil:
						t.Error(got.err)
					}
				}
				if _, err := b.Do(context.Background(), []int{1}); closed != test.closed || !errors.Is(err, ErrClosed) {
					t.Errorf("%d were refused; after Close: %v", closed, err)
				}
				stop(t, b) // waits for the batch that runs
			})
		})
	}
}

// A batcher without work closes, even if the context has ended.
func TestCloseWithoutWork(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	for range 50 {
		if err := start(echo, Config{}).Close(ended); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMaxQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 1, MaxQueue: 2}, WithObserver[int](seen.observer()))
		if served, refused := burst(b, 5); served != 3 || refused != 2 || seen.refused[RefusalQueueFull] != 2 {
			t.Errorf("%d were served, %d refused: %v", served, refused, seen.refused)
		}
		if _, err := b.Do(context.Background(), make([]int, 5)); err != nil { // the queue is empty
			t.Error(err)
		}
	})
}

// taught has seen batches of 1 to 4 items.
func taught(cfg Config, a, b time.Duration, opts ...Option[int]) *Batcher[int, int] {
	made := start(doubler(a, b), cfg, opts...)
	for n := range 12 {
		_, _ = made.Do(context.Background(), make([]int, 1+n%4))
	}
	return made
}

// A call behind one batch is admitted: its batch is estimated by the sizes of
// recent batches, not by the largest allowed size.
func TestLightLoadIsNotRefused(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  Config
		b    time.Duration
		runs int
	}{
		"slow items":    {Config{}, 700 * time.Millisecond, 1},
		"large batches": {Config{MaxBatchSize: 100_000}, time.Millisecond, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := taught(test.cfg, 0, test.b)
				do(context.Background(), b, make([]int, test.runs)...)
				if got, err := b.Do(context.Background(), []int{1}); err != nil {
					t.Errorf("got %+v, %v", got, err)
				}
				stop(t, b)
			})
		})
	}
}

// A call that could not end in time with an empty queue is refused at once. If no
// batch has run for as long as it may take, its first batch tests the estimate.
func TestTooManyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := taught(Config{MaxBatchSize: 32, MaxLatency: 200 * time.Millisecond}, 10*time.Millisecond, 0, WithObserver[int](seen.observer()))
		time.Sleep(time.Millisecond)
		is := func(items int, reason Refusal, after time.Duration, batches int) {
			t.Helper()
			before, at := len(seen.sizes()), time.Now()
			_, err := b.Do(context.Background(), make([]int, items))
			var overload *OverloadError
			if !errors.As(err, &overload) || overload.Reason != reason || time.Since(at) != after || len(seen.sizes()) != before+batches {
				t.Errorf("after %s: %v, %d batches", time.Since(at), err, len(seen.sizes())-before)
			}
		}
		is(1000, RefusalTooMany, 0, 0)
		if _, err := b.Do(context.Background(), make([]int, 600)); err != nil {
			t.Errorf("a list that ends in time: %v", err)
		}
		time.Sleep(time.Second)
		is(1000, RefusalExpired, 10*time.Millisecond, 1)
		synctest.Wait() // the refusal is reported after the call ends
		if seen.mu.Lock(); seen.vain != 32 {
			t.Errorf("%d items are reported as computed in vain", seen.vain)
		}
		seen.mu.Unlock()
	})
}

// The longest duration means no limit. A later deadline of a caller does not
// override MaxLatency.
func TestNoLimit(t *testing.T) {
	far := func(t *testing.T) context.Context {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), math.MaxInt64)
		t.Cleanup(cancel)
		return ctx
	}
	for _, window := range []time.Duration{time.Second, math.MaxInt64} {
		synctest.Test(t, func(t *testing.T) {
			b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: window, MaxLatency: math.MaxInt64, MaxBatchSize: 2})
			call := do(far(t), b, 1)
			time.Sleep(5 * time.Second)
			do(context.Background(), b, 2)
			if got := <-call; got.err != nil || got.Timing.Queue != min(window, 5*time.Second) {
				t.Errorf("waited %s of %s: %v", got.Timing.Queue, window, got.err)
			}
			stop(t, b)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(10*time.Second, 0), Config{MaxBatchSize: 1, MaxLatency: time.Second})
		do(context.Background(), b, 1)
		if _, err := b.Do(far(t), []int{2}); !errors.Is(err, ErrOverloaded) {
			t.Errorf("MaxLatency does not hold: %v", err)
		}
		stop(t, b)
	})
}
