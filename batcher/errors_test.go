package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestErrors(t *testing.T) {
	if !errors.Is(Errors{nil, errOdd}, errOdd) {
		t.Error("errors.Is does not find the error of an item")
	}
	for want, errs := range map[string]Errors{"no error": {nil, nil}, "odd\nodd": {errOdd, nil, errOdd}} {
		check.Equal(t, errs.Error(), want)
	}
}

// The text of a refusal is a sentence, without the label of the metrics.
func TestOverloadErrorSaysWhy(t *testing.T) {
	for _, why := range []Refusal{RefusalQueueFull, RefusalLate, RefusalTooMany, RefusalExpired, RefusalHanging} {
		text, says := strings.CutPrefix((&OverloadError{Reason: why}).Error(), "the batch queue is overloaded: ")
		if !says || !strings.Contains(text, " ") {
			t.Errorf("%s: got %q", why, text)
		}
	}
}

// Items that do not fail have results, even if their call was split over several
// batches. If all items of a call fail, the call has no results.
func TestSomeItemsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		b := start(func(_ context.Context, items []int) ([]int, error) {
			out, errs := make([]int, len(items)), make(Errors, len(items))
			for i, item := range items {
				switch out[i] = 2 * item; {
				case item == 13:
					return nil, boom
				case item < 0:
					errs[i] = errOdd
				}
			}
			return out, errs
		}, Config{MaxBatchSize: 2})
		for _, test := range []struct {
			items, out []int
			err        error
		}{
			{[]int{1, 2, 3}, []int{2, 4, 6}, nil},
			{[]int{1, -2, 3}, []int{2, -4, 6}, Errors{nil, errOdd, nil}},
			{[]int{1, 2, 13}, []int{2, 4, 0}, Errors{nil, nil, boom}},
			{[]int{-1, -2, -3}, nil, Errors{errOdd, errOdd, errOdd}},
			{[]int{13, 13}, nil, boom},
			{[]int{13, 1, 13}, nil, errors.Join(boom, boom)},
			{[]int{-1}, nil, errOdd},
		} {
			got, err := b.Do(context.Background(), test.items)
			if !slices.Equal(got.Items, test.out) || fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", test.err) {
				t.Errorf("%v: got %v, %#v", test.items, got.Items, err)
			}
		}
	})
}
