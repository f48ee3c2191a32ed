package batcher

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An observer can call the batcher: no lock is held.
func TestObserversAreCalledWithoutLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Batcher[int, int]
		var calls atomic.Int64
		ask := func() { b.Queued(); calls.Add(1) }
		b = start(doubler(300*time.Millisecond, 0), Config{MaxBatchSize: 1, MaxLatency: 50 * time.Millisecond},
			WithObserver[int](Observer{func(Batch) { ask() }, func(Refused) { ask() }}))
		do(context.Background(), b, 1)
		if _, err := b.Do(context.Background(), []int{2}); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		if err := b.Close(context.Background()); err != nil || calls.Load() != 2 {
			t.Errorf("%d calls, %v", calls.Load(), err)
		}
	})
}

// Every call that ends without a result is reported, with the reason.
func TestRefusalsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		release := make(chan struct{})
		b := start(held(release), Config{MaxBatchSize: 1}, WithObserver[int](seen.observer()))
		do(context.Background(), b, 1)
		late, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		do(late, b, 1)
		leaving, leave := context.WithCancel(context.Background())
		do(leaving, b, 1)
		leave()
		time.Sleep(2 * time.Second)
		for range 3 {
			do(context.Background(), b, 1)
		}
		ended, end := context.WithCancel(context.Background())
		end()
		if _, err := b.Do(ended, []int{1}); !errors.Is(err, context.Canceled) { // not reported
			t.Errorf("got %v", err)
		}
		if err := b.Close(ended); err == nil {
			t.Error("Close returns while a batch runs")
		}
		close(release)
		synctest.Wait()
		if want := (map[Refusal]int{RefusalExpired: 1, RefusalLeft: 1, RefusalClosed: 3}); !maps.Equal(seen.refused, want) {
			t.Errorf("reported %v, want %v", seen.refused, want)
		}
	})
}

// A call that takes part in several batches has waited once.
func TestQueueTimesAreReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queued []time.Duration
		b := start(doubler(time.Second, 0), Config{MaxBatchSize: 1}, WithObserver[int](Observer{Batched: func(b Batch) { queued = append(queued, b.Queued...) }}))
		if _, err := b.Do(context.Background(), []int{1, 2, 3}); err != nil || len(queued) != 1 || queued[0] != 0 {
			t.Errorf("got %v, %v", queued, err)
		}
	})
}
