package batcher

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var errOdd = errors.New("odd")

// start is New for valid arguments.
func start[In, Out any](fn Func[In, Out], cfg Config, opts ...Option[In]) *Batcher[In, Out] {
	b, err := New(fn, cfg, opts...)
	if err != nil {
		panic(err)
	}
	return b
}

// doubler takes a + b·n for n items and doubles them.
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

// echo returns its items.
func echo(_ context.Context, items []int) ([]int, error) { return items, nil }

// held waits for release before it returns its items.
func held(release <-chan struct{}) Func[int, int] {
	return func(_ context.Context, items []int) ([]int, error) { <-release; return items, nil }
}

// outcome is what Do returned.
type outcome[Out any] struct {
	Result[Out]
	err error
}

// do calls Do in a goroutine of a synctest bubble, and returns when the call runs
// or is queued.
func do[In, Out any](ctx context.Context, b *Batcher[In, Out], items ...In) <-chan outcome[Out] {
	done := make(chan outcome[Out], 1)
	go func() {
		result, err := b.Do(ctx, items)
		done <- outcome[Out]{result, err}
	}()
	synctest.Wait()
	return done
}

// stop waits until all calls have ended.
func stop[In, Out any](t *testing.T, b *Batcher[In, Out]) {
	t.Helper()
	check.OK(t, b.Close(context.Background()))
}

// burst makes calls at once. It returns how many got results and how many were
// refused.
func burst(b *Batcher[int, int], calls int, items ...int) (served, refused int) {
	if items == nil {
		items = []int{1}
	}
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range calls {
		callers.Go(func() {
			_, err := b.Do(context.Background(), items)
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

// recorder keeps what a batcher reports.
type recorder struct {
	mu      sync.Mutex
	batches []Batch
	refused map[Refusal]int // calls
	vain    int             // items computed for calls that were refused later
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
	if r.refused == nil {
		r.refused = map[Refusal]int{}
	}
	r.refused[refused.Reason] += refused.Calls
	r.vain += refused.Abandoned
}

// sizes returns the items of each batch.
func (r *recorder) sizes() (sizes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.batches {
		sizes = append(sizes, b.Items)
	}
	return sizes
}
