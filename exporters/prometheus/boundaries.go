package prometheus

import (
	"math"
	"slices"
)

// boundaries are one stream's boundaries as le values. They are rendered again
// only when they differ, which the SDK's never do: it copies them at every
// collection, and gives all points of a stream the same copy.
type boundaries struct {
	values []float64
	first  *float64 // of the slice last compared
	texts  []string // "" where no bucket line is to be written
	sorted bool
	below0 bool // a bucket line has a negative boundary
}

// render returns the texts of bounds. A boundary that is equal to the next one
// has none, for two lines of one le would be one series twice; neither has
// +Inf, whose line every histogram has at its end, nor NaN.
func (b *boundaries) render(bounds []float64) []string {
	if len(bounds) == 0 {
		return nil
	}
	if b.first == &bounds[0] && len(b.values) == len(bounds) {
		return b.texts
	}
	b.first = &bounds[0]
	if slices.Equal(b.values, bounds) {
		return b.texts
	}
	b.values = append(b.values[:0], bounds...)
	b.texts = make([]string, len(bounds))
	b.sorted, b.below0 = true, false
	last := math.Inf(-1)
	for i, v := range bounds {
		twice := i+1 < len(bounds) && bounds[i+1] == v
		if !twice && !math.IsNaN(v) && !math.IsInf(v, 1) {
			b.texts[i] = string(appendFloat(nil, v))
			b.below0 = b.below0 || v < 0
		}
		if v < last {
			b.sorted = false
		}
		if !math.IsNaN(v) {
			last = v
		}
	}
	return b.texts
}
