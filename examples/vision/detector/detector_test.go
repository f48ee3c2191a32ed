package detector

import (
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/vision/internal/pictures"
)

// opened returns the model. Tests that need it fail without it, and say what makes it.
func opened(t *testing.T) *Detector {
	t.Helper()
	d, err := Open(Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// A folder without the weights, or with broken ones, is an error that names the file.
func TestOpenErrors(t *testing.T) {
	folder := t.TempDir()
	weights := filepath.Join(folder, ModelFile)
	if _, err := Open(folder, Options{}); err == nil || !strings.Contains(err.Error(), weights+": does not exist; go run ./fetch makes it") {
		t.Errorf("without weights: %v", err)
	}
	if err := os.WriteFile(weights, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = ": its SHA-256 must be d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9, found 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 in 1 bytes; remove the file, and go run ./fetch makes it again"
	if _, err := Open(folder, Options{}); err == nil || !strings.Contains(err.Error(), weights+want) {
		t.Errorf("with wrong weights: %v", err)
	}
}

func rectangleOf(b Box) image.Rectangle { return image.Rect(b.X, b.Y, b.X+b.Width, b.Y+b.Height) }

// overlap is the area that two rectangles share, divided by the area of both.
func overlap(a, b image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx() * r.Dy()) }
	shared := area(a.Intersect(b))
	return shared / (area(a) + area(b) - shared)
}

// Each line gets one box, from top to bottom, and nothing else does, in pictures of all shapes and colours.
func TestLines(t *testing.T) {
	d := opened(t)
	for _, size := range []image.Point{{736, 736}, {300, 100}, {600, 400}, {620, 900}, {1600, 1200}, {2500, 1500}} {
		for _, colours := range [][2]color.Color{
			{color.Black, color.White},
			{color.White, color.Black},
			{color.RGBA{250, 220, 120, 255}, color.RGBA{20, 40, 120, 255}},
			{color.RGBA{20, 20, 120, 255}, color.Transparent},
		} {
			unit := size.X / 300
			img, places := pictures.In(size, colours[0], colours[1],
				pictures.Line{Text: "The quick brown fox", X: 10 * unit, Y: 10 * unit, Scale: unit},
				pictures.Line{Text: "jumps over", X: 60 * unit, Y: 40 * unit, Scale: unit},
				pictures.Line{Text: "Total: 42.00 EUR", X: 30 * unit, Y: 75 * unit, Scale: unit})
			boxes, err := d.Detect(t.Context(), []image.Image{img})
			if err != nil {
				t.Fatal(err)
			}
			if len(boxes[0]) != len(places) {
				t.Errorf("%v %v: %d lines, found %v", size, colours, len(places), boxes[0])
				continue
			}
			for i, box := range boxes[0] {
				if same := overlap(rectangleOf(box), places[i]); same < 0.6 || box.Score < scoreFrom || box.Score > 1 {
					t.Errorf("%v %v, line %d at %v: found %v, which overlaps by %.2f", size, colours, i, places[i], box, same)
				}
			}
		}
	}
}

// Every line that is at least 10 pixels high in the square is found.
func TestSmall(t *testing.T) {
	d := opened(t)
	for _, row := range []struct{ size, scale int }{{736, 1}, {800, 1}, {1472, 2}, {1600, 2}, {2400, 3}} {
		var lines []pictures.Line
		for i := range 10 {
			text := []string{"Total EUR 42.00", "The quick brown fox", "jumps over the lazy dog", "Invoice 2026-11-30", "Platform 9 to Room 17"}[i%5]
			lines = append(lines, pictures.Line{Text: text, X: (40 + 37*i) * row.scale, Y: (40 + 65*i) * row.scale, Scale: row.scale})
		}
		img, places := pictures.Of(image.Pt(row.size, row.size), lines...)
		boxes, err := d.Detect(t.Context(), []image.Image{img})
		if err != nil || len(boxes[0]) != len(places) {
			t.Errorf("%d lines of %d pixels in %d: found %v, %v", len(places), places[0].Dy(), row.size, boxes, err)
			continue
		}
		for i, box := range boxes[0] {
			if same := overlap(rectangleOf(box), places[i]); same < 0.4 {
				t.Errorf("line %d of %v: found %v, which overlaps by %.2f", i, img.Rect, box, same)
			}
		}
	}
}

// Without text there are no boxes, whatever the shape and the colour of an image is.
func TestBlank(t *testing.T) {
	d := opened(t)
	var images []image.Image
	for _, size := range []image.Point{{}, {1, 1}, {5000, 10}, {10, 5000}, {640, 480}, {736, 736}} {
		for _, colour := range []color.Color{color.White, color.Black, color.Gray{128}, color.Transparent} {
			img, _ := pictures.In(size, colour, colour)
			images = append(images, img)
		}
	}
	boxes, err := d.Detect(t.Context(), images)
	if err != nil || len(boxes) != len(images) {
		t.Fatalf("%d images: %d lists of boxes, %v", len(images), len(boxes), err)
	}
	for i, found := range boxes {
		if found == nil || len(found) > 0 {
			t.Errorf("image of %v: want an empty list, found %v", images[i].Bounds(), found)
		}
	}
}

// An image gets the same boxes alone and with others, also at the same time, and in a part of a larger image.
func TestTogether(t *testing.T) {
	d := opened(t)
	var images []image.Image
	for i := range 2*MaxImages + 1 {
		img, _ := pictures.Of(image.Pt(500, 300+10*i), pictures.Line{Text: "Platform 9", X: 10 * i, Y: 100 + 5*i, Scale: 2})
		images = append(images, img)
	}
	together, err := d.Detect(t.Context(), images)
	if err != nil || len(together) != len(images) {
		t.Fatalf("%d images: %d lists of boxes, %v", len(images), len(together), err)
	}
	var all sync.WaitGroup
	for i, img := range images {
		all.Go(func() {
			alone, err := d.Detect(t.Context(), []image.Image{img})
			same := func(a, b Box) bool { return rectangleOf(a) == rectangleOf(b) }
			if err != nil || len(alone[0]) != 1 || !slices.EqualFunc(alone[0], together[i], same) {
				t.Errorf("image %d: %v alone, %v with others, %v", i, alone, together[i], err)
			}
		})
	}
	all.Wait()
	whole, places := pictures.Of(image.Pt(700, 700), pictures.Line{Text: "Room 17", X: 300, Y: 400, Scale: 3})
	part := image.Rect(200, 350, 700, 650)
	boxes, err := d.Detect(t.Context(), []image.Image{whole.SubImage(part)})
	if err != nil || len(boxes[0]) != 1 || overlap(rectangleOf(boxes[0][0]).Add(part.Min), places[0]) < 0.6 {
		t.Errorf("part %v with a line at %v: %v, %v", part, places[0], boxes, err)
	}
}

// Detect ends with the error of its context.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if boxes, err := opened(t).Detect(ctx, []image.Image{image.NewGray(image.Rect(0, 0, 9, 9))}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", boxes, err)
	}
	if boxes, err := opened(t).Detect(t.Context(), nil); err != nil || len(boxes) > 0 {
		t.Errorf("no image: %v, %v", boxes, err)
	}
}
