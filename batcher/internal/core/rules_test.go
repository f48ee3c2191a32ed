package core

import (
	"math"
	"slices"
	"testing"
)

func TestRules(t *testing.T) {
	var sizes []int
	var held, silent []float64
	for i, r := range rules(32) {
		switch {
		case i == 0 && r != rule{enough: 1}:
			t.Errorf("the first rule is %+v", r)
		case r.latest > 0:
			silent = append(silent, r.latest)
			if r.enough != 32 || r.oldest != 1 {
				t.Errorf("got %+v", r)
			}
		case i > 0:
			sizes, held = append(sizes, r.enough), append(held, r.oldest)
		}
	}
	if got := slices.Compact(sizes); !slices.Equal(got, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 25, 28, 32}) {
		t.Errorf("sizes %v", got)
	}
	if !slices.Equal(held[:5], []float64{.125, .25, .5, 1, 2}) || !slices.Equal(silent, []float64{.015625, .03125, .0625, .125, .25, .5}) {
		t.Errorf("waits %v, silences %v", held[:5], silent)
	}
}

// A size without a limit has a bounded number of rules.
func TestRulesOfTheLargestSize(t *testing.T) {
	all := rules(math.MaxInt)
	if last := all[len(all)-1]; last.enough != math.MaxInt || len(all) > 2000 {
		t.Errorf("%d rules, the last one %+v", len(all), last)
	}
}
