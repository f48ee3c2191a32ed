package batcher_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ekiben-serving/ekiben/batcher"
)

// encode stands for a model.
func encode(_ context.Context, texts []string) ([]int, error) {
	lengths := make([]int, len(texts))
	for i, text := range texts {
		lengths[i] = len(text)
	}
	return lengths, nil
}

func Example() {
	b, err := batcher.New(encode, batcher.Config{MaxBatchSize: 32})
	if err != nil {
		fmt.Println(err)
		return
	}
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if _, err := b.Do(context.Background(), []string{"one", "four"}); err != nil {
				fmt.Println(err)
			}
		})
	}
	callers.Wait()
	result, err := b.Do(context.Background(), []string{"a", "bc"})
	fmt.Println(result.Items, err)
	fmt.Println(b.Close(context.Background()))
	// Output:
	// [1 2] <nil>
	// <nil>
}

// A function names the items that fail. The other items get their results.
func ExampleErrors() {
	invert := func(_ context.Context, xs []float64) ([]float64, error) {
		out, errs := make([]float64, len(xs)), make(batcher.Errors, len(xs))
		for i, x := range xs {
			if x == 0 {
				errs[i] = errors.New("0 has no inverse")
				continue
			}
			out[i] = 1 / x
		}
		return out, errs // no item failed: all of errs is nil, which is no error
	}
	b, _ := batcher.New(invert, batcher.Config{})
	result, err := b.Do(context.Background(), []float64{2, 0})
	var failed batcher.Errors
	if errors.As(err, &failed) {
		fmt.Println(failed[0], failed[1])
	}
	fmt.Println(result.Items[0])
	// Output:
	// <nil> 0 has no inverse
	// 0.5
}

type tenantKey struct{}

// A batch has items of many calls. The function reads the tenant of each.
func ExampleItemContext() {
	greet := func(ctx context.Context, names []string) ([]string, error) {
		out := make([]string, len(names))
		for i, name := range names {
			tenant, _ := batcher.ItemContext(ctx, i).Value(tenantKey{}).(string)
			out[i] = name + " of " + tenant
		}
		return out, nil
	}
	b, _ := batcher.New(greet, batcher.Config{})
	ctx := context.WithValue(context.Background(), tenantKey{}, "acme")
	result, err := b.Do(ctx, []string{"Ann", "Bob"})
	fmt.Println(result.Items, err)
	// Output: [Ann of acme Bob of acme] <nil>
}

// Batches are limited by tokens, not by the number of items.
func ExampleSizeOf() {
	tokens := func(text string) int { return (len(text) + 3) / 4 }
	b, _ := batcher.New(encode, batcher.Config{MaxBatchSize: 4096}, batcher.SizeOf(tokens))
	result, err := b.Do(context.Background(), []string{"a", "bc"})
	fmt.Println(result.Items, err)
	// Output: [1 2] <nil>
}

func ExampleWithObserver() {
	observer := batcher.Observer{
		Batched: func(b batcher.Batch) { fmt.Println("batch of", b.Items, b.Reason) },
		Refused: func(r batcher.Refused) { fmt.Println("refused", r.Calls, r.Reason) },
	}
	b, _ := batcher.New(encode, batcher.Config{MaxBatchSize: 2}, batcher.WithObserver[string](observer))
	if _, err := b.Do(context.Background(), []string{"a", "bc", "def"}); err != nil {
		fmt.Println(err)
	}
	_ = b.Close(context.Background())
	_, err := b.Do(context.Background(), []string{"late"})
	fmt.Println(err)
	// Output:
	// batch of 2 full
	// batch of 1 idle
	// refused 1 closed
	// the batcher is closed
}

// A call that finds the queue full, or would be late, is refused at once.
func ExampleOverloadError() {
	started, release := make(chan struct{}, 3), make(chan struct{})
	slow := func(_ context.Context, texts []string) ([]string, error) {
		started <- struct{}{}
		<-release
		return texts, nil
	}
	b, _ := batcher.New(slow, batcher.Config{MaxBatchSize: 1, MaxQueue: 2})
	var callers sync.WaitGroup
	callers.Go(func() { _, _ = b.Do(context.Background(), []string{"a", "b", "c"}) })
	<-started // one item runs, two are queued
	_, err := b.Do(context.Background(), []string{"d"})
	var overload *batcher.OverloadError
	fmt.Println(errors.As(err, &overload), err)
	close(release)
	callers.Wait()
	// Output: true the batch queue is overloaded: it is full
}
