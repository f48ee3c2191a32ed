package batcher

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
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

// late is a context whose deadline is known before Done is closed.
type late struct {
	context.Context //nolint:containedctx // it is one

	at   time.Time
	done chan struct{}
}

func (l late) Deadline() (time.Time, bool) { return l.at, true }
func (l late) Done() <-chan struct{}       { return l.done }

func (l late) Err() error {
	select {
	case <-l.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// A queued call whose own deadline passes ends with the error of its context, also if
// the batcher sees the deadline first. It is counted once.
func TestOwnDeadlineInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		release := make(chan struct{})
		b := start(held(release), Config{MaxBatchSize: 1}, WithObserver[int](seen.observer()))
		running := do(context.Background(), b, 1)
		ctx := late{context.Background(), time.Now().Add(time.Second), make(chan struct{})}
		queued := do(ctx, b, 2)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		close(ctx.done)
		if got := <-queued; !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("got %v", got.err)
		}
		close(release)
		if got := <-running; got.err != nil {
			t.Error(got.err)
		}
		stop(t, b)
		if len(seen.refused) != 1 || seen.refused[RefusalExpired] != 1 {
			t.Errorf("refused %v", seen.refused)
		}
	})
}

// A batcher without work closes, even if the context has ended.
func TestCloseWithoutWork(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	for range 50 {
		check.Must(t, start(echo, Config{}).Close(ended))
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

// A list that could not end in time with an empty queue is refused at once. After an
// idle time longer than MaxLatency its first batch is a probe. Each refusal has the
// reason too_many and no RetryAfter, because the same list would be refused again.
func TestTooManyItems(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		items  int
		idle   time.Duration
		took   time.Duration // of each batch after the idle time
		served bool
		after  int // batches of 16
	}{
		"fits":                                    {640, 0, 20 * ms, true, 40},
		"fits, idle for 0.6 s":                    {640, 600 * ms, 20 * ms, true, 40},
		"fits, idle for 1.2 s":                    {640, 1200 * ms, 20 * ms, true, 40},
		"fits, idle for 10 s":                     {640, 10_000 * ms, 20 * ms, true, 40},
		"nearly fits":                             {816, 0, 20 * ms, false, 0},
		"nearly fits, idle for 0.6 s":             {816, 600 * ms, 20 * ms, false, 0},
		"nearly fits, idle for 1.2 s":             {816, 1200 * ms, 20 * ms, false, 42},
		"nearly fits, idle for 10 s":              {816, 10_000 * ms, 20 * ms, false, 42},
		"never fits":                              {2000, 0, 20 * ms, false, 0},
		"never fits, idle for 0.6 s":              {2000, 600 * ms, 20 * ms, false, 0},
		"never fits, idle for 1.2 s":              {2000, 1200 * ms, 20 * ms, false, 1},
		"never fits, idle for 10 s":               {2000, 10_000 * ms, 20 * ms, false, 1},
		"a faster model, idle for 0.6 s":          {2000, 600 * ms, 5 * ms, false, 0},
		"a faster model, idle for 1.2 s":          {2000, 1200 * ms, 5 * ms, true, 125},
		"a model not fast enough, idle for 1.2 s": {2000, 1200 * ms, 10 * ms, false, 1},
		"a slower model, idle for 1.2 s":          {2000, 1200 * ms, 30 * ms, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := 20 * ms
				var seen recorder
				b := taught(Config{MaxBatchSize: 16, MaxLatency: time.Second}, 20*ms, 0, WithObserver[int](seen.observer()))
				b.fn = func(ctx context.Context, items []int) ([]int, error) { return doubler(took, 0)(ctx, items) }
				for range 3 { // the refusal does not end by trying again
					took = 20 * ms
					if _, err := b.Do(context.Background(), []int{1}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(test.idle)
					took = test.took
					before, vain, at := len(seen.sizes()), seen.vain, time.Now()
					_, err := b.Do(context.Background(), make([]int, test.items))
					spent, batches := time.Since(at), len(seen.sizes())-before
					synctest.Wait() // a refusal is reported after its call ends
					want := OverloadError{Reason: RefusalTooMany}
					var got *OverloadError
					if refused := errors.As(err, &got); refused == test.served || refused && *got != want {
						t.Errorf("got %+v, want served: %t", err, test.served)
					}
					if batches != test.after || spent != time.Duration(batches)*test.took {
						t.Errorf("%d batches in %s, want %d", batches, spent, test.after)
					}
					if vain = seen.vain - vain; !test.served && vain != 16*batches {
						t.Errorf("%d items are reported as computed in vain", vain)
					}
				}
			})
		})
	}
}

// A list that would be in time, but for a batch that took longer than before, is
// refused as expired. One slow batch does not end a list that can still be in time.
func TestListsExpire(t *testing.T) {
	for stall, expires := range map[time.Duration]bool{80 * time.Millisecond: false, 900 * time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			var stalled time.Duration
			b := taught(Config{MaxBatchSize: 16, MaxLatency: time.Second}, 20*time.Millisecond, 0)
			b.fn = func(ctx context.Context, items []int) ([]int, error) {
				time.Sleep(stalled)
				stalled = 0
				return doubler(20*time.Millisecond, 0)(ctx, items)
			}
			time.Sleep(2 * time.Second)
			stalled = stall
			_, err := b.Do(context.Background(), make([]int, 640))
			var got *OverloadError
			if errors.As(err, &got) != expires || expires && got.Reason != RefusalExpired {
				t.Errorf("after a batch that took %s longer: %v", stall, err)
			}
		})
	}
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
