package prometheus

import (
	"math"
	"slices"
)

// boundaries holds the rendered le values of one stream. They are rendered again only
// if the boundaries change. The SDK never changes them, but each collection copies
// them; all points of a stream share the copy.
type boundaries struct {
	values []float64
	first  *float64 // of the slice last compared
	texts  []string
	sorted bool
	below0 bool // a bucket has a negative boundary
}

// render returns the le values of bounds. It returns "" for a boundary without a
// bucket: one that equals the next, because the series would appear twice; +Inf,
// because every histogram ends with it; and NaN. The result must not be changed.
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
