package detector

import (
	"image"
	"math"
)

// The numbers of the package's config.yaml.
const (
	textFrom  = 0.3 // a pixel of more than this probability is text
	scoreFrom = 0.5 // pixels that touch each other are a line from this mean probability on
	grow      = 1.6 // the model marks the core of a line, which is smaller
	minSide   = 3   // of a core, and of a box
)

// find returns the boxes of an image of this size, from the probability that each pixel of the
// square is text.
func find(probabilities []float32, size image.Point) []Box {
	boxes := []Box{}
	text := mask(probabilities)
	for at := range text {
		if !text[at] {
			continue
		}
		core := smallest(take(text, at))
		score := core.mean(probabilities)
		if min(core.width, core.height) < minSide || score < scoreFrom {
			continue
		}
		by := core.width * core.height * grow / (2 * (core.width + core.height))
		if box := toImage(core, by, size); box.Dx() > minSide && box.Dy() > minSide {
			boxes = append(boxes, Box{box.Min.X, box.Min.Y, box.Dx(), box.Dy(), score})
		}
	}
	return boxes
}

// mask reports which pixels are text. As in the package, each one makes text of those to its right
// and below it, which joins parts of a line.
func mask(probabilities []float32) []bool {
	text := make([]bool, len(probabilities))
	for at, p := range probabilities {
		if p <= textFrom {
			continue
		}
		x, y := at%side, at/side
		for _, to := range []image.Point{{x, y}, {x + 1, y}, {x, y + 1}, {x + 1, y + 1}} {
			if to.X < side && to.Y < side {
				text[to.Y*side+to.X] = true
			}
		}
	}
	return text
}

// take removes a pixel from text with all that it touches, and that these touch, and returns them.
func take(text []bool, from int) []image.Point {
	text[from] = false
	line := []image.Point{{from % side, from / side}}
	for i := 0; i < len(line); i++ {
		at := line[i]
		for y := max(at.Y-1, 0); y <= min(at.Y+1, side-1); y++ {
			for x := max(at.X-1, 0); x <= min(at.X+1, side-1); x++ {
				if text[y*side+x] {
					text[y*side+x] = false
					line = append(line, image.Pt(x, y))
				}
			}
		}
	}
	return line
}

// toImage returns the upright box around a core that was grown on each side, in pixels of its image.
func toImage(core rectangle, by float64, size image.Point) image.Rectangle {
	core.width, core.height = core.width+2*by, core.height+2*by
	halfX, halfY := core.reach()
	within := scaled(size)
	scale := func(v float64, from, to int) int { return int(math.Round(v * float64(to) / float64(from))) }
	return image.Rect(
		scale(core.x-halfX, within.X, size.X), scale(core.y-halfY, within.Y, size.Y),
		scale(core.x+halfX, within.X, size.X), scale(core.y+halfY, within.Y, size.Y),
	).Intersect(image.Rectangle{Max: size})
}
