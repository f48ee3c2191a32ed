package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// doubler takes a + b·n and doubles.
func doubler(a, b time.Duration) Func[int, int] {
	return func(_ context.Context, items []int) ([]int, error) {
		time.Sleep(a + b*time.Duration(len(items)))
		out := make([]int, len(items))
		for i, item := range items {
			out[i] = 2 * item
		}
		return out, nil
	}
}

// recorder keeps what it is told.
type recorder struct {
	mu      sync.Mutex
	batches []Batch
	refused []Refusal
	vain    int // items computed for calls that were refused after
}

func (r *recorder) observer() Observer { return Observer{r.batched, r.refuse} }

func (r *recorder) batched(b Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, b)
}

func (r *recorder) refuse(refused Refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range refused.Calls {
		r.refused = append(r.refused, refused.Reason)
	}
	r.vain += refused.Abandoned
}

// start is New for what is right.
func start[In, Out any](fn Func[In, Out], cfg Config, opts ...Option[In]) *Batcher[In, Out] {
	b, err := New(fn, cfg, opts...)
	if err != nil {
		panic(err)
	}
	return b
}

func (r *recorder) sizes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sizes []int
	for _, b := range r.batches {
		sizes = append(sizes, b.Items)
	}
	return sizes
}

func TestCallsAreMergedAndSlicedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 4}, WithObserver[int](seen.observer()))
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				items := []int{i, 10 + i, 20 + i}[:1+i%3]
				res, err := b.Do(context.Background(), items)
				want := make([]int, len(items))
				for j, item := range items {
					want[j] = 2 * item
				}
				if err != nil || !slices.Equal(res.Items, want) || res.Timing.Compute < 10*time.Millisecond {
					t.Errorf("got %v, %v, %v; want %v", res.Items, res.Timing, err, want)
				}
			})
		}
		callers.Wait()
		// The first goes alone; 2 + 3 + 1 + 2 items wait for it, and go four at a
		// time, the second caller's list in two batches.
		if got := seen.sizes(); !slices.Equal(got, []int{1, 4, 4}) {
			t.Errorf("batches of %v", got)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestEmptyList(t *testing.T) {
	var seen recorder
	b := start(func(context.Context, []int) ([]int, error) { return nil, errors.New("called") }, Config{}, WithObserver[int](seen.observer()))
	res, err := b.Do(context.Background(), nil)
	if err != nil || res.Items == nil || len(res.Items) != 0 || len(seen.batches) != 1 || seen.batches[0].Requests != 1 {
		t.Errorf("got %v, %v, %+v", res.Items, err, seen.batches)
	}
}

// Forty calls at once, 30 ms a batch of four, 100 ms at most: three batches
// can be answered in time, and the first of a cold batcher is of one call.
func TestBentoMLsWorstCase(t *testing.T) {
	for name, want := range map[string]int{"cold": 9, "warm": 12} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(doubler(30*time.Millisecond, 0), Config{MaxBatchSize: 4, MaxLatency: 100 * time.Millisecond})
				if name == "warm" {
					for range 10 {
						at := time.Now()
						burst(b, 4)
						time.Sleep(time.Second - time.Since(at))
					}
				}
				if served, refused := burst(b, 40); served < want || served+refused != 40 {
					t.Errorf("%d of 40 were served, %d refused; want %d served", served, refused, want)
				}
			})
		})
	}
}

// burst makes calls at once and counts those that were answered, and refused.
func burst(b *Batcher[int, int], calls int) (served, refused int) {
	var mu sync.Mutex
	var callers sync.WaitGroup
	for i := range calls {
		callers.Go(func() {
			_, err := b.Do(context.Background(), []int{i})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				served++
			case errors.Is(err, ErrOverloaded):
				refused++
			}
		})
	}
	callers.Wait()
	return served, refused
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 1, MaxQueue: 2}, WithObserver[int](seen.observer()))
		if served, refused := burst(b, 5); served != 3 || refused != 2 {
			t.Errorf("served %d, refused %d", served, refused)
		}
		if !slices.Equal(seen.refused, []Refusal{RefusalQueueFull, RefusalQueueFull}) {
			t.Errorf("got %v", seen.refused)
		}
		_, err := b.Do(context.Background(), make([]int, 5)) // into an empty queue
		if err != nil {
			t.Error(err)
		}
	})
}

// A caller that leaves is not computed for, and takes nobody along.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		var cancelled bool
		fn := func(ctx context.Context, items []int) ([]int, error) {
			select {
			case <-ctx.Done():
				cancelled = true
			case <-time.After(10 * time.Millisecond):
			}
			return items, nil
		}
		b := start(fn, Config{MaxBatchSize: 4}, WithObserver[int](seen.observer()))
		var callers sync.WaitGroup
		callers.Go(func() {
			if res, err := b.Do(context.Background(), []int{1}); err != nil || res.Items[0] != 1 {
				t.Errorf("got %v, %v", res.Items, err)
			}
		})
		synctest.Wait()
		for i := range 3 {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(5+20*i)*time.Millisecond)
				defer cancel()
				res, err := b.Do(ctx, []int{i})
				if left := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOverloaded); left != (i < 1) {
					t.Errorf("%d: got %v, %v", i, res.Items, err)
				}
			})
		}
		callers.Wait()
		if got := seen.sizes(); !slices.Equal(got, []int{1, 2}) || cancelled {
			t.Errorf("batches of %v, cancelled %t", got, cancelled)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := b.Do(ctx, []int{1}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if !cancelled {
			t.Error("a batch went on whose only caller had left")
		}
		if last := seen.batches[len(seen.batches)-1]; last.Abandoned != 1 {
			t.Errorf("got %+v", last)
		}
	})
}

var errOdd = errors.New("odd")

func TestPoison(t *testing.T) {
	odd := func(item int) bool { return item%2 == 1 }
	whole := func(_ context.Context, items []int) ([]int, error) {
		time.Sleep(time.Millisecond)
		if slices.ContainsFunc(items, odd) {
			return nil, errOdd
		}
		return items, nil
	}
	single := func(_ context.Context, items []int) ([]int, error) {
		time.Sleep(time.Millisecond)
		errs := make(Errors, len(items))
		for i, item := range items {
			if odd(item) {
				errs[i] = errOdd
			}
		}
		return items, errs
	}
	for name, test := range map[string]struct {
		fn   Func[int, int]
		cfg  Config
		fail int // of ten calls, three of them odd
	}{
		"found by halves":      {whole, Config{Retryable: true}, 3},
		"named":                {single, Config{}, 3},
		"not retryable":        {whole, Config{}, 10},
		"named, asked to fail": {single, Config{FailurePolicy: FailurePolicyFail}, 10},
		"asked to fail":        {whole, Config{Retryable: true, FailurePolicy: FailurePolicyFail}, 10},
		"panics, retryable": {func(ctx context.Context, items []int) ([]int, error) {
			out, err := whole(ctx, items)
			return must(out, err), nil
		}, Config{Retryable: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(test.fn, test.cfg)
				block := make(chan struct{})
				var callers sync.WaitGroup
				callers.Go(func() { _, _ = b.Do(context.Background(), []int{0}) })
				synctest.Wait()
				var mu sync.Mutex
				failed := 0
				for _, item := range []int{2, 4, 1, 6, 3, 8, 10, 12, 5, 14} {
					callers.Go(func() {
						res, err := b.Do(context.Background(), []int{item})
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							failed++
						} else if res.Items[0] != item {
							t.Errorf("%d got %v", item, res.Items)
						}
					})
				}
				close(block)
				callers.Wait()
				if failed != test.fail {
					t.Errorf("%d failed", failed)
				}
				if _, err := b.Do(context.Background(), []int{2}); err != nil {
					t.Errorf("the next batch: %v", err)
				}
			})
		})
	}
}

func must(out []int, err error) []int {
	if err != nil {
		panic(err)
	}
	return out
}

func TestWrongLengths(t *testing.T) {
	for want, fn := range map[string]Func[int, int]{
		"returned 0 results for 2 items":              func(context.Context, []int) ([]int, error) { return nil, nil },
		"returned 3 results for 2 items":              func(context.Context, []int) ([]int, error) { return make([]int, 3), nil },
		"returned 2 results and 1 errors for 2 items": func(_ context.Context, items []int) ([]int, error) { return items, Errors{nil} },
		"panic: boom": func(context.Context, []int) ([]int, error) { panic("boom") },
	} {
		b := start(fn, Config{})
		if _, err := b.Do(context.Background(), []int{1, 2}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(10*time.Millisecond, 0), Config{MaxBatchSize: 2, Policy: PolicyWindow, Window: time.Hour})
		results := make(chan error, 3)
		for i := range 3 {
			go func() {
				_, err := b.Do(context.Background(), []int{i})
				results <- err
			}()
		}
		synctest.Wait()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for range 3 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if _, err := b.Do(context.Background(), []int{1}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the grace ends first
		b := start(doubler(time.Second, 0), Config{MaxBatchSize: 1})
		results := make(chan error, 3)
		for i := range 3 {
			go func() {
				_, err := b.Do(context.Background(), []int{i})
				results <- err
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		count := map[string]int{}
		for range 3 {
			count[fmt.Sprint(<-results)]++
		}
		if count["<nil>"] != 2 || count[ErrClosed.Error()] != 1 {
			t.Errorf("got %v", count)
		}
	})
}

// Several workers run batches at once, each with an index of its own.
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

// Sizes other than 1 fill a batch, and one that is larger than any goes alone.
func TestSizeOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := start(doubler(time.Millisecond, 0), Config{MaxBatchSize: 10}, WithObserver[int](seen.observer()), SizeOf[int](func(i int) int { return i }))
		res, err := b.Do(context.Background(), []int{4, 5, 3, 20, -1, 9, 1})
		if err != nil || !slices.Equal(res.Items, []int{8, 10, 6, 40, -2, 18, 2}) {
			t.Errorf("got %v, %v", res.Items, err)
		}
		if got := seen.sizes(); !slices.Equal(got, []int{2, 1, 1, 2, 1}) {
			t.Errorf("batches of %v", got)
		}
	})
}

// Changing the configuration loses nothing.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(doubler(time.Millisecond, 0), Config{MaxBatchSize: 2})
		done := make(chan int)
		go func() {
			served, _ := burst(b, 1000)
			done <- served
		}()
		for i := range 100 {
			time.Sleep(time.Millisecond)
			_ = b.Configure(Config{MaxBatchSize: 1 + i%7, Workers: 1 + i%3, Policy: []Policy{PolicyAdaptive, PolicyIdle, PolicyWindow}[i%3], Window: time.Millisecond})
		}
		if served := <-done; served != 1000 {
			t.Errorf("%d of 1000 were served", served)
		}
	})
}

// A list that goes in several batches is timed from the first to the last, and
// the function's context ends with its batch.
func TestTimingAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var contexts []context.Context
		b := start(func(ctx context.Context, items []int) ([]int, error) {
			contexts = append(contexts, ctx)
			if len(RequestContexts(ctx)) != 1 || ctx.Err() != nil {
				t.Errorf("callers %v, %v", RequestContexts(ctx), ctx.Err())
			}
			time.Sleep(10 * time.Millisecond)
			return items, nil
		}, Config{MaxBatchSize: 2})
		res, err := b.Do(context.Background(), make([]int, 5))
		want := Timing{Queue: 0, Compute: 30 * time.Millisecond, Items: 1, MaxSize: 2, Reason: ReasonIdle}
		if err != nil || res.Timing != want {
			t.Errorf("got %+v, %v; want %+v", res.Timing, err, want)
		}
		for _, ctx := range contexts {
			<-ctx.Done()
		}
		if RequestContexts(context.Background()) != nil {
			t.Error("callers of no batch")
		}
	})
}
