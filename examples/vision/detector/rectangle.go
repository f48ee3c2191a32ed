package detector

import (
	"image"
	"math"
)

// rectangle has a centre and sides, and is turned by an angle.
type rectangle struct {
	x, y, width, height float64
	sin, cos            float64
}

// smallest returns the rectangle with the smallest area around the centres of some pixels. It tries
// each half of a degree. Only the ends of each row count: what is around them is around the row.
func smallest(pixels []image.Point) rectangle {
	first, last := map[int]int{}, map[int]int{}
	for _, p := range pixels {
		if x, ok := first[p.Y]; !ok || p.X < x {
			first[p.Y] = p.X
		}
		last[p.Y] = max(last[p.Y], p.X)
	}
	ends := make([]image.Point, 0, 2*len(first))
	for y, x := range first {
		ends = append(ends, image.Pt(x, y), image.Pt(last[y], y))
	}
	best := rectangle{width: math.Inf(1), height: 1}
	for half := range 180 {
		r := rectangle{}
		r.sin, r.cos = math.Sincos(float64(half) * math.Pi / 360)
		left, right, top, bottom := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		for _, p := range ends {
			x, y := float64(p.X), float64(p.Y)
			along, across := x*r.cos+y*r.sin, y*r.cos-x*r.sin
			left, right = min(left, along), max(right, along)
			top, bottom = min(top, across), max(bottom, across)
		}
		if r.width, r.height = right-left, bottom-top; r.width*r.height < best.width*best.height {
			along, across := (left+right)/2, (top+bottom)/2
			r.x, r.y = along*r.cos-across*r.sin, along*r.sin+across*r.cos
			best = r
		}
	}
	return best
}

// reach returns how far the rectangle reaches from its centre, to the right and down.
func (r rectangle) reach() (x, y float64) {
	return (r.width*r.cos + r.height*r.sin) / 2, (r.width*r.sin + r.height*r.cos) / 2
}

// mean returns the mean probability of the pixels that the rectangle covers.
func (r rectangle) mean(probabilities []float32) float32 {
	sum, count := float32(0), 0
	reachX, reachY := r.reach()
	for y := max(0, int(r.y-reachY)); y < min(side, int(r.y+reachY)+2); y++ {
		for x := max(0, int(r.x-reachX)); x < min(side, int(r.x+reachX)+2); x++ {
			toX, toY := float64(x)-r.x, float64(y)-r.y
			along, across := toX*r.cos+toY*r.sin, toY*r.cos-toX*r.sin
			if 2*math.Abs(along) <= r.width+1 && 2*math.Abs(across) <= r.height+1 {
				sum, count = sum+probabilities[y*side+x], count+1
			}
		}
	}
	return sum / float32(count)
}
