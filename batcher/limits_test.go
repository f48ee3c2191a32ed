package batcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// taught is a batcher that knows what batches take.
func taught(cfg Config, a, b time.Duration, seen *recorder) *Batcher[int, int] {
	made := start(doubler(a, b), cfg, WithObserver[int](seen.observer()))
	for n := range 12 {
		_, _ = made.Do(context.Background(), make([]int, 1+n%4))
	}
	return made
}

// What is admitted beside one that runs is judged by batches as they are, not
// by the largest that the configuration allows: an empty queue has room.
func TestLightLoadIsNotRefused(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  Config
		b    time.Duration
		runs int
	}{
		"slow items":        {Config{}, 700 * time.Millisecond, 1},
		"unbounded batches": {Config{MaxBatchSize: 100_000}, time.Millisecond, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen recorder
				b := taught(test.cfg, 0, test.b, &seen)
				go func() { _, _ = b.Do(context.Background(), make([]int, test.runs)) }()
				synctest.Wait()
				if res, err := b.Do(context.Background(), []int{1}); err != nil {
					t.Errorf("got %+v, %v", res.Timing, err)
				}
			})
		})
	}
}

// A list that could not be answered in time on an idle machine is refused at
// once, and nothing of it computed. Where nothing has run for as long as it may
// take, the estimate may be old: its first batch tests it.
func TestTooManyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := taught(Config{MaxBatchSize: 32, MaxLatency: 200 * time.Millisecond}, 10*time.Millisecond, 0, &seen)
		time.Sleep(time.Millisecond) // idle, and just taught
		before, at := len(seen.sizes()), time.Now()
		_, err := b.Do(context.Background(), make([]int, 1000))
		var overload *OverloadError
		if !errors.As(err, &overload) || overload.Reason != RefusalTooMany || time.Since(at) != 0 || len(seen.sizes()) != before {
			t.Errorf("after %s: %v, %d batches", time.Since(at), err, len(seen.sizes())-before)
		}
		if _, err := b.Do(context.Background(), make([]int, 600)); err != nil {
			t.Errorf("a list that can be answered: %v", err)
		}
		time.Sleep(time.Second)
		before, at = len(seen.batches), time.Now()
		_, err = b.Do(context.Background(), make([]int, 1000))
		if !errors.As(err, &overload) || overload.Reason != RefusalExpired || time.Since(at) != 10*time.Millisecond || len(seen.sizes()) != before+1 {
			t.Errorf("after %s: %v, %d batches", time.Since(at), err, len(seen.sizes())-before)
		}
		synctest.Wait() // it is told after the caller
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if seen.vain != 32 {
			t.Errorf("%d items were computed in vain, and told of", seen.vain)
		}
	})
}

// The longest duration is no limit, and a caller's far deadline takes no limit
// away.
func TestNoLimit(t *testing.T) {
	far := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), math.MaxInt64)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []time.Duration{time.Second, math.MaxInt64} {
			b := start(doubler(time.Millisecond, 0), Config{Policy: PolicyWindow, Window: window, MaxLatency: math.MaxInt64, MaxBatchSize: 2})
			time.Sleep(time.Second)
			go func() {
				time.Sleep(5 * time.Second)
				_, _ = b.Do(context.Background(), []int{2})
			}()
			ctx, stop := far()
			res, err := b.Do(ctx, []int{1})
			if stop(); err != nil || res.Timing.Queue != min(window, 5*time.Second) {
				t.Errorf("waited %s of %s: %v", res.Timing.Queue, window, err)
			}
			time.Sleep(time.Minute)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(10*time.Second, 0), Config{MaxBatchSize: 1, MaxLatency: time.Second})
		go func() { _, _ = b.Do(context.Background(), []int{1}) }()
		synctest.Wait()
		ctx, stop := far()
		defer stop()
		if _, err := b.Do(ctx, []int{2}); !errors.Is(err, ErrOverloaded) {
			t.Errorf("MaxLatency does not hold: %v", err)
		}
		time.Sleep(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		b := start(func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(time.Millisecond)
			for _, item := range items {
				if item < 0 {
					return nil, errOdd
				}
			}
			return items, nil
		}, Config{Retryable: true, MaxLatency: math.MaxInt64, Policy: PolicyIdle})
		go func() { _, _ = b.Do(context.Background(), []int{0}) }()
		synctest.Wait()
		bad := make(chan error)
		go func() { _, err := b.Do(context.Background(), []int{-1}); bad <- err }()
		if _, err := b.Do(context.Background(), []int{1}); err != nil || !errors.Is(<-bad, errOdd) {
			t.Errorf("an item that is well failed: %v", err)
		}
	})
}

// What a search for a bad item took is no measure of a prediction.
func TestASearchIsNotMispredicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(100 * time.Millisecond)
			if items[len(items)-1] < 0 {
				return nil, errOdd
			}
			return items, nil
		}, Config{Retryable: true}, WithObserver[int](seen.observer()))
		for _, last := range []int{1, 1, 1, -1} {
			_, _ = b.Do(context.Background(), []int{1, 2, 3, last})
		}
		if well, searched := seen.batches[2], seen.batches[3]; well.Predicted == 0 || searched.Predicted != 0 || searched.Compute <= 100*time.Millisecond {
			t.Errorf("got %+v, %+v", well, searched)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	_, err := New(doubler(0, 0), Config{MaxBatchSize: -1, Workers: -2, Policy: "cork"})
	for _, want := range []string{"max_batch_size: must be at least 1, found -1", "workers: must be at least 1, found -2", `policy: must be adaptive, idle or window, found "cork"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New[int, int](nil, Config{}); err == nil {
		t.Error("no function is accepted")
	}
	if err := start(doubler(0, 0), Config{}).Configure(Config{Workers: -1}); err == nil {
		t.Error("a wrong configuration is accepted later")
	}
}

// Of several items those that are well have results, also where they went in
// several batches; where all failed there are none.
func TestSomeItemsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		b := start(func(_ context.Context, items []int) ([]int, error) {
			out, errs := make([]int, len(items)), make(Errors, len(items))
			for i, item := range items {
				switch out[i] = 2 * item; {
				case item == 13:
					return nil, boom
				case item < 0:
					errs[i] = errOdd
				}
			}
			return out, errs
		}, Config{MaxBatchSize: 2})
		for _, test := range []struct {
			items, out []int
			err        error
		}{
			{[]int{1, 2, 3}, []int{2, 4, 6}, nil},
			{[]int{1, -2, 3}, []int{2, -4, 6}, Errors{nil, errOdd, nil}},
			{[]int{1, 2, 13}, []int{2, 4, 0}, Errors{nil, nil, boom}},
			{[]int{-1, -2, -3}, nil, Errors{errOdd, errOdd, errOdd}},
			{[]int{13, 13}, nil, boom},
			{[]int{13, 1, 13}, nil, errors.Join(boom, boom)},
			{[]int{-1}, nil, errOdd},
		} {
			res, err := b.Do(context.Background(), test.items)
			if !slices.Equal(res.Items, test.out) || fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", test.err) {
				t.Errorf("%v: got %v, %#v", test.items, res.Items, err)
			}
		}
	})
}
