package batcher

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The sizes of items fill a batch. An item that is larger than a batch is sent
// alone.
func TestSizeOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(time.Millisecond, 0), Config{MaxBatchSize: 10}, WithObserver[int](seen.observer()), SizeOf(func(i int) int { return i }))
		got, err := b.Do(context.Background(), []int{4, 5, 3, 20, -1, 9, 1})
		if err != nil || !slices.Equal(got.Items, []int{8, 10, 6, 40, -2, 18, 2}) {
			t.Errorf("got %v, %v", got.Items, err)
		}
		if got := seen.sizes(); !slices.Equal(got, []int{2, 1, 1, 2, 1}) {
			t.Errorf("batches of %v", got)
		}
	})
}

// Calls are served by their ranks. A call that gives its place to another one is refused.
func TestRankOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		model := func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(10 * time.Millisecond)
			order = append(order, items...)
			return items, nil
		}
		rank := func(ctx context.Context) Rank { return ctx.Value(rankKey{}).(Rank) }
		b := start(model, Config{MaxBatchSize: 1, MaxQueue: 3, Policy: PolicyIdle}, RankOf[int](rank))
		var all sync.WaitGroup
		var refused atomic.Int64
		for i, r := range []Rank{{Tenant: "a"}, {Tenant: "a"}, {Tenant: "a", Low: true}, {Tenant: "a"}, {Tenant: "b"}} {
			all.Go(func() {
				var overloaded *OverloadError
				if _, err := b.Do(context.WithValue(t.Context(), rankKey{}, r), []int{i}); errors.As(err, &overloaded) && overloaded.Reason == RefusalQueueFull {
					refused.Store(int64(i))
				} else if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if !slices.Equal(order, []int{0, 4, 1, 3}) || refused.Load() != 2 {
			t.Errorf("served %v, refused %d", order, refused.Load())
		}
	})
}

type rankKey struct{}

// Huge sizes do not overflow, and do not make the batcher slow.
func TestHugeSizes(t *testing.T) {
	b := start(echo, Config{}, SizeOf(func(i int) int { return i }))
	for range 3 {
		_, err := b.Do(context.Background(), []int{1 << 30, math.MaxInt, 1 << 62, -5})
		if err != nil && !errors.Is(err, ErrOverloaded) { // such batches are estimated to take long
			t.Error(err)
		}
	}
}

// New returns an error for what is nil.
func TestNil(t *testing.T) {
	same := func(_ context.Context, items []int) ([]int, error) { return items, nil }
	if _, err := New(same, Config{}, SizeOf[int](nil), nil); err == nil || err.Error() != "option 2 must not be nil" {
		t.Errorf("got %v", err)
	}
	if _, err := New[int, int](nil, Config{}); err == nil || err.Error() != "the batch function must not be nil" {
		t.Errorf("got %v", err)
	}
}
