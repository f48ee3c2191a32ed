package detector

import (
	"image"
	"image/color"
	"slices"
	"testing"
)

// square returns probabilities: those of the rectangles, and 0.1 elsewhere.
func square(probability float32, lines ...image.Rectangle) []float32 {
	all := slices.Repeat([]float32{0.1}, side*side)
	return put(all, probability, lines...)
}

// put sets the probabilities of some rectangles.
func put(all []float32, probability float32, lines ...image.Rectangle) []float32 {
	for at := range all {
		for _, line := range lines {
			if image.Pt(at%side, at/side).In(line) {
				all[at] = probability
			}
		}
	}
	return all
}

// Boxes are what the model finds, grown by the rule of the package, in pixels of the image.
func TestBoxes(t *testing.T) {
	whole, wide := image.Pt(side, side), image.Pt(2*side, side)
	// A core of 200 x 20 pixels has 200 x 20 between the centres, as the mask adds a pixel. It grows by
	// 200 * 20 * 1.6 / 440 = 14.5.
	line := image.Rect(100, 300, 300, 320)
	// Of two squares that touch at a corner the core is turned by 45°: 142.8 x 70.7 pixels, which grow by 37.8.
	for name, row := range map[string]struct {
		probabilities []float32
		size          image.Point
		want          []image.Rectangle
	}{
		"nothing":              {square(0.1), whole, nil},
		"a line":               {square(0.9, line), whole, []image.Rectangle{image.Rect(85, 285, 315, 335)}},
		"in a larger image":    {square(0.9, line), wide, []image.Rectangle{image.Rect(171, 571, 629, 669)}},
		"in a smaller image":   {square(0.9, line), image.Pt(368, 368), []image.Rectangle{image.Rect(43, 143, 157, 167)}},
		"in a pale frame":      {put(square(0.29, line.Inset(-5)), 0.9, line), whole, []image.Rectangle{image.Rect(85, 285, 315, 335)}},
		"in a darker frame":    {put(square(0.31, line.Inset(-5)), 0.9, line), whole, []image.Rectangle{image.Rect(74, 274, 326, 346)}},
		"two lines":            {square(0.9, line, line.Add(image.Pt(100, 100))), whole, []image.Rectangle{image.Rect(85, 285, 315, 335), image.Rect(185, 385, 415, 435)}},
		"lines that touch":     {square(0.9, line, line.Add(image.Pt(200, 0))), whole, []image.Rectangle{image.Rect(85, 285, 515, 335)}},
		"corners that touch":   {square(1, image.Rect(100, 100, 150, 150), image.Rect(151, 151, 201, 201)), whole, []image.Rectangle{image.Rect(21, 21, 280, 280)}},
		"at the edge":          {square(0.9, image.Rect(0, 0, side, 20)), whole, []image.Rectangle{image.Rect(0, 0, side, 36)}},
		"below the image":      {square(0.9, line.Add(image.Pt(0, 200))), wide, nil},
		"unsure":               {square(0.45, line), whole, nil},
		"too low":              {square(0.9, image.Rect(100, 300, 300, 302)), whole, nil},
		"too low in the image": {square(0.9, image.Rect(100, 300, 300, 304)), image.Pt(200, 200), nil},
	} {
		var got []image.Rectangle
		for _, box := range find(row.probabilities, row.size) {
			got = append(got, rectangleOf(box))
			if box.Score < scoreFrom || box.Score > 0.9 {
				t.Errorf("%s: score %g", name, box.Score)
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}

// A line that is not level gets an upright box that is not higher than needed.
func TestBoxesOfSlantedLines(t *testing.T) {
	probabilities := make([]float32, side*side)
	for x := 100; x < 500; x++ {
		for y := range 20 {
			probabilities[(100+x/2+y)*side+x] = 0.9
		}
	}
	// The core is 400 / cos 26.57° + 20 * sin 26.57° = 456 pixels long and 20 * cos 26.57° = 17.9 high. It grows by
	// 13.8, so the box reaches 226 pixels to the left and right of the centre, and 128 up and down.
	got := find(probabilities, image.Pt(side, side))
	if want := image.Rect(74, 132, 526, 388); len(got) != 1 || overlap(rectangleOf(got[0]), want) < 0.97 {
		t.Errorf("got %v, want about %v", got, want)
	}
}

// The input of the model is blue, green and red from -1 to 1. The rest of the square, and what is
// behind transparent pixels, is white.
func TestPixels(t *testing.T) {
	img := image.NewNRGBA(image.Rect(5, 5, 25, 15))
	for x := 5; x < 15; x++ {
		for y := 5; y < 15; y++ {
			img.Set(x, y, color.NRGBA{255, 51, 0, 255})
		}
	}
	pixels := appendPixels([]float32{7}, img)[1:]
	if len(pixels) != 3*side*side {
		t.Fatalf("%d numbers", len(pixels))
	}
	for name, row := range map[string]struct {
		at   image.Point
		want [3]float32
	}{
		"opaque":      {image.Pt(10, 10), [3]float32{-1, 51/127.5 - 1, 1}},
		"transparent": {image.Pt(700, 10), [3]float32{1, 1, 1}},
		"last row":    {image.Pt(10, side/2-1), [3]float32{-1, 51/127.5 - 1, 1}},
		"below":       {image.Pt(10, side/2), [3]float32{1, 1, 1}},
	} {
		for plane, want := range row.want {
			if got := pixels[(plane*side+row.at.Y)*side+row.at.X]; got != want {
				t.Errorf("%s, plane %d: got %g, want %g", name, plane, got, want)
			}
		}
	}
}
