package batcher

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A function hangs when all callers of its batch have left and it still runs after MaxLatency.
// Calls are then refused at once, until it returns.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		release := make(chan struct{})
		b := start(held(release), Config{MaxLatency: 20 * time.Second}, WithObserver[int](seen.observer()))
		impatient, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		first := do(impatient, b, 1)
		time.Sleep(19 * time.Second)
		check.Equal(t, (<-first).err, context.DeadlineExceeded)
		queued := do(t.Context(), b, 2) // the function may still return
		time.Sleep(2 * time.Second)
		check.Equal(t, b.Hanging(), true)
		at := time.Now()
		var overload *OverloadError
		if got := <-do(t.Context(), b, 3); !errors.As(got.err, &overload) || overload.Reason != RefusalHanging || time.Since(at) != 0 {
			t.Errorf("got %v after %s, want a refusal at once", got.err, time.Since(at))
		}
		close(release)
		check.OK(t, (<-queued).err)
		check.Equal(t, b.Hanging(), false)
		check.OK(t, (<-do(t.Context(), b, 4)).err)
		check.Equal(t, seen.refused[RefusalHanging], 1)
		stop(t, b)
	})
}

// A function whose callers wait is slow, and a batcher with an idle worker goes on.
func TestNotHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(held(release), Config{MaxLatency: time.Second, MaxBatchSize: 1, Workers: 2})
		ctx, cancel := context.WithCancel(t.Context())
		left := do(ctx, b, 1)
		cancel()
		<-left
		time.Sleep(time.Hour)
		check.Equal(t, b.Hanging(), false)
		waits := do(t.Context(), b, 2)
		time.Sleep(time.Hour)
		check.Equal(t, b.Hanging(), false)
		close(release)
		check.OK(t, (<-waits).err)
		stop(t, b)
	})
}

// A small MaxLatency does not make a function that is slow at first a hanging one.
func TestSlowAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := start(held(release), Config{MaxLatency: 10 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		call := do(ctx, b, 1)
		time.Sleep(leastHang)
		check.Equal(t, b.Hanging(), false)
		time.Sleep(time.Millisecond)
		check.Equal(t, b.Hanging(), true)
		close(release)
		<-call
		stop(t, b)
	})
}
