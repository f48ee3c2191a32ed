package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFunctionsThatAreWrong(t *testing.T) {
	for want, fn := range map[string]Func[int, int]{
		"returned 0 results for 2 items":              func(context.Context, []int) ([]int, error) { return nil, nil },
		"returned 3 results for 2 items":              func(context.Context, []int) ([]int, error) { return make([]int, 3), nil },
		"returned 2 results and 1 errors for 2 items": func(_ context.Context, items []int) ([]int, error) { return items, Errors{nil} },
		"returned 0 results and 2 errors for 2 items": func(context.Context, []int) ([]int, error) { return nil, Errors{nil, errOdd} },
		"panic: boom": func(context.Context, []int) ([]int, error) { panic("boom") },
	} {
		got, err := start(fn, Config{}).Do(context.Background(), []int{1, 2})
		if err == nil || !strings.Contains(err.Error(), want) || got.Items != nil {
			t.Errorf("got %v, %v; want %s", got.Items, err, want)
		}
	}
}

// The errors of another batch are the error of the whole batch, and stay in its chain.
func TestErrorsOfAnotherBatch(t *testing.T) {
	three := Errors{errOdd, errOdd, errOdd}
	for _, test := range []struct {
		out      []int
		returned error
		want     string
	}{
		{nil, three, "returned 0 results and 3 errors for 2 items, want one result and one error for each item: odd"},
		{nil, fmt.Errorf("inner: %w", three), "inner: odd"},
		{nil, fmt.Errorf("inner: %w", three[:2]), "inner: odd"},
		{[]int{1, 2}, fmt.Errorf("inner: %w", Errors{nil, errOdd}), "inner: odd"},
	} {
		b := start(func(context.Context, []int) ([]int, error) { return test.out, test.returned }, Config{})
		got, err := b.Do(context.Background(), []int{1, 2})
		if single(err) != nil || !errors.Is(err, errOdd) || !strings.Contains(err.Error(), test.want) || got.Items != nil {
			t.Errorf("%v: got %v, %v", test.returned, got, err)
		}
	}
}

// Errors with only nil entries is not an error, also if it is wrapped. A function
// that returns Errors for all items need not return results.
func TestErrorsWithoutAnError(t *testing.T) {
	var seen recorder
	var returned error
	b := start(func(_ context.Context, items []int) ([]int, error) { return items, returned }, Config{}, WithObserver[int](seen.observer()))
	for _, returned = range []error{make(Errors, 1), Errors(nil), Errors{}, fmt.Errorf("wrapped: %w", Errors{nil})} {
		if got, err := b.Do(context.Background(), []int{7}); err != nil || !slices.Equal(got.Items, []int{7}) {
			t.Errorf("%#v: got %v, %v", returned, got, err)
		}
	}
	if err := b.Close(context.Background()); err != nil || b.core.Predict(1) <= 0 {
		t.Error("the core has not learned from these batches")
	}
	if slices.ContainsFunc(seen.batches, func(batch Batch) bool { return batch.Failed }) {
		t.Error("a batch without an error failed")
	}
	b = start(func(context.Context, []int) ([]int, error) { return nil, Errors{errOdd} }, Config{})
	if _, err := b.Do(context.Background(), []int{7}); !errors.Is(err, errOdd) {
		t.Errorf("got %v", err)
	}
}
