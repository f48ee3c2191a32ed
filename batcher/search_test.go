package batcher

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func odd(item int) bool { return item%2 == 1 }

// refuseOdd fails a batch that has an odd item.
func refuseOdd(_ context.Context, items []int) ([]int, error) {
	time.Sleep(time.Millisecond)
	if slices.ContainsFunc(items, odd) {
		return nil, errOdd
	}
	return items, nil
}

// panicOdd panics instead.
func panicOdd(ctx context.Context, items []int) ([]int, error) {
	out, err := refuseOdd(ctx, items)
	if err != nil {
		panic(err)
	}
	return out, nil
}

// nameOdd fails the odd items of a batch.
func nameOdd(_ context.Context, items []int) ([]int, error) {
	time.Sleep(time.Millisecond)
	errs := make(Errors, len(items))
	for i, item := range items {
		if odd(item) {
			errs[i] = errOdd
		}
	}
	return items, errs
}

// namePair names the odd items of a pair, and fails a larger batch.
func namePair(ctx context.Context, items []int) ([]int, error) {
	if len(items) > 2 {
		return refuseOdd(ctx, items)
	}
	return nameOdd(ctx, items)
}

func TestFailurePolicy(t *testing.T) {
	for name, test := range map[string]struct {
		fn   Func[int, int]
		cfg  Config
		fail int // of ten calls, three of them with an odd item
	}{
		"found":              {refuseOdd, Config{Retryable: true}, 3},
		"found, panics":      {panicOdd, Config{Retryable: true}, 3},
		"named":              {nameOdd, Config{}, 3},
		"named in halves":    {namePair, Config{Retryable: true}, 3},
		"not retryable":      {refuseOdd, Config{}, 10},
		"not to be found":    {refuseOdd, Config{Retryable: true, FailurePolicy: FailurePolicyFail}, 10},
		"named, all to fail": {nameOdd, Config{FailurePolicy: FailurePolicyFail}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(test.fn, test.cfg)
				do(context.Background(), b, 0) // the others are queued behind it
				items, failed := []int{2, 4, 1, 6, 3, 8, 10, 12, 5, 14}, 0
				var calls []<-chan outcome[int]
				for _, item := range items {
					calls = append(calls, do(context.Background(), b, item))
				}
				for i, call := range calls {
					switch got := <-call; {
					case got.err != nil:
						failed++
					case got.Items[0] != items[i]:
						t.Errorf("%d got %v", items[i], got.Items)
					}
				}
				if failed != test.fail {
					t.Errorf("%d failed, want %d", failed, test.fail)
				}
				if _, err := b.Do(context.Background(), []int{2}); err != nil {
					t.Errorf("the next batch: %v", err)
				}
			})
		})
	}
}

// If every call of the function fails, the search ends soon. It also ends when all
// callers have left or are late.
func TestTheSearchEnds(t *testing.T) {
	for name, test := range map[string]struct {
		cfg   Config
		leave time.Duration
		most  int // calls of the function after the first two
	}{
		"outage":        {Config{}, 0, 7 + 4},
		"late":          {Config{MaxLatency: 4 * time.Second}, 0, 3},
		"all have left": {Config{}, 2500 * time.Millisecond, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				test.cfg.Retryable = true
				b := start(func(context.Context, []int) ([]int, error) {
					calls++
					time.Sleep(time.Second)
					return nil, errOdd
				}, test.cfg)
				ctx, leave := context.WithCancel(context.Background())
				defer leave()
				var all []<-chan outcome[int]
				for i := range 101 {
					all = append(all, do(ctx, b, i))
				}
				if test.leave > 0 {
					time.AfterFunc(test.leave, leave)
				}
				for _, call := range all {
					if got := <-call; got.err == nil {
						t.Error("a result")
					}
				}
				if err := b.Close(context.Background()); err != nil || calls > 2+test.most || calls < 3 {
					t.Errorf("%d calls, %v", calls, err)
				}
			})
		})
	}
}

// A search also works for calls without a deadline.
func TestTheSearchNeedsNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(refuseOdd, Config{Retryable: true, MaxLatency: math.MaxInt64, Policy: PolicyIdle})
		do(context.Background(), b, 0)
		bad, good := do(context.Background(), b, 1), do(context.Background(), b, 2)
		if got := <-bad; !errors.Is(got.err, errOdd) {
			t.Errorf("an odd item got %+v", got)
		}
		if got := <-good; got.err != nil {
			t.Errorf("an even item got %+v", got)
		}
	})
}

// The time of a search is not compared with the prediction, which is for one call.
func TestASearchIsNotMispredicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(refuseOdd, Config{Retryable: true}, WithObserver[int](seen.observer()))
		for _, last := range []int{2, 2, 2, 1} {
			_, _ = b.Do(context.Background(), []int{2, 2, 2, last})
		}
		good, searched := seen.batches[2], seen.batches[3]
		if good.Predicted == 0 || searched.Predicted != 0 || searched.Compute <= time.Millisecond {
			t.Errorf("reported %+v, %+v", good, searched)
		}
	})
}
