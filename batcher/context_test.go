package batcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type callerKey struct{}

// owned is an item that knows its caller.
type owned struct {
	caller string
	bad    bool
}

// callersOf returns the callers of items, each once.
func callersOf(items []owned) (callers []string) {
	for _, item := range items {
		callers = append(callers, item.caller)
	}
	return slices.Compact(callers)
}

// ItemContext returns the context of the item's call: in lists that are split over
// batches, in halves of a failed batch, in derived contexts, and when the function
// keeps the context after the batch.
func TestItemContext(t *testing.T) {
	for name, cfg := range map[string]Config{
		"split lists":   {MaxBatchSize: 3},
		"halves":        {MaxBatchSize: 8, Retryable: true},
		"several lanes": {MaxBatchSize: 3, Workers: 2, Retryable: true},
		"disabled":      {MaxBatchSize: 3, Disabled: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type invocation struct {
					ctx   context.Context
					items []owned
				}
				var mu sync.Mutex
				var all []invocation
				b := start(func(ctx context.Context, items []owned) ([]owned, error) {
					ctx = context.WithValue(ctx, "derived", true)
					mu.Lock()
					all = append(all, invocation{ctx, slices.Clone(items)})
					mu.Unlock()
					time.Sleep(time.Millisecond)
					if slices.ContainsFunc(items, func(item owned) bool { return item.bad }) {
						return nil, errOdd
					}
					return items, nil
				}, cfg)
				var callers sync.WaitGroup
				for _, caller := range []string{"a", "b", "c", "d"} {
					callers.Go(func() {
						items := []owned{{caller, false}, {caller, caller == "c"}, {caller, false}, {caller, false}}
						_, _ = b.Do(context.WithValue(context.Background(), callerKey{}, caller), items)
					})
					synctest.Wait() // so that a is a batch, then b and c, if two fit
				}
				callers.Wait()
				for _, in := range all {
					var got []string
					for _, ctx := range RequestContexts(in.ctx) {
						got = append(got, ctx.Value(callerKey{}).(string))
					}
					if !slices.Equal(got, callersOf(in.items)) {
						t.Errorf("%v: the requests are of %v", in.items, got)
					}
					for i, item := range in.items {
						if got := ItemContext(in.ctx, i).Value(callerKey{}); got != item.caller {
							t.Errorf("%v: item %d is of %v", in.items, i, got)
						}
					}
					for _, i := range []int{-1, len(in.items)} {
						if got := ItemContext(in.ctx, i); got != in.ctx {
							t.Errorf("%v: there is an item %d", in.items, i)
						}
					}
				}
			})
		})
	}
}

// Outside a batch, ItemContext returns its argument.
func TestContextsOfNoBatch(t *testing.T) {
	ctx := context.WithValue(context.Background(), callerKey{}, "a")
	if got := ItemContext(ctx, 0); got != ctx {
		t.Errorf("got %v", got)
	}
	if got := ItemContext(nil, 0); got != context.Background() {
		t.Errorf("got %v for nil", got)
	}
	if RequestContexts(ctx) != nil || RequestContexts(nil) != nil {
		t.Error("requests of no batch")
	}
}

// The context ends with its batch, whether the function calls Done during the batch
// or after it. The same applies to halves.
func TestBatchContextEnds(t *testing.T) {
	var contexts []context.Context
	b := start(func(ctx context.Context, items []int) ([]int, error) {
		if contexts = append(contexts, ctx); ctx.Err() != nil {
			t.Error("it has ended before the function returns")
		}
		return nil, errOdd
	}, Config{Retryable: true})
	if _, err := b.Do(context.Background(), []int{1, 2}); !errors.Is(err, errOdd) || len(contexts) != 3 {
		t.Errorf("%d calls, %v", len(contexts), err)
	}
	for _, ctx := range contexts {
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("got %v", ctx.Err())
		}
	}
}
