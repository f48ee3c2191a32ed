package textrank

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestTerms(t *testing.T) {
	got := slices.Sorted(maps.Keys(terms("It's the cat's LEAP: 20 cats, leaping — über “Willow’s” 猫!")))
	want := []string{"20", "cat", "leap", "willow", "über", "猫"}
	check.Equal(t, got, want)
}

func TestIndexAdd(t *testing.T) {
	x := newIndex(4)
	log := math.Log
	for i, want := range [][]float64{
		{},
		{1 / (log(2) + log(3))},
		{1 / (log(2) + log(2)), 1 / (log(3) + log(2))},
		{0, 1 / (log(3) + log(3)), 0},
	} {
		got := x.add(terms([]string{"cat", "cat leap", "cat", "leap high"}[i]))
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-15 }) {
			t.Errorf("sentence %d: got %v, want %v", i, got, want)
		}
	}
}

// TestRank compares with ranks worked out by hand: of a path of three, the ends
// have (1−d)/3 + d·m/2 and the middle m has (1−d)/3 + 2·d·end.
func TestRank(t *testing.T) {
	got := check.Value(rank(t.Context(), []string{"red cat", "cat leap", "leap blue"}))(t)
	base := (1 - damping) / 3
	middle := (base + 2*damping*base) / (1 - damping*damping)
	end := base + damping*middle/2
	want := []float64{end, middle, end}
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-10 }) {
		t.Errorf("got %v, want %v", got, want)
	}
}
