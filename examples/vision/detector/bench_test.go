package detector

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"
)

// BenchmarkDetect measures how long an image takes, alone and with others, with one thread and with
// one for each processor.
func BenchmarkDetect(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	var images []image.Image
	for range MaxImages {
		images = append(images, scene(random, 0))
	}
	for _, threads := range []int{1, 0} {
		d, err := Open(Folder(), Options{Threads: threads})
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range []int{1, 2, 4, MaxImages} {
			b.Run(fmt.Sprintf("threads=%d/images=%d", threads, batch), func(b *testing.B) {
				for b.Loop() {
					if _, err := d.Detect(b.Context(), images[:batch]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*batch), "ms/image")
			})
		}
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkParts measures what is not the model: an image to its pixels, and probabilities to boxes.
func BenchmarkParts(b *testing.B) {
	img := scene(rand.New(rand.NewPCG(1, 1)), 0)
	pixels := make([]float32, 0, 3*side*side)
	b.Run("pixels", func(b *testing.B) {
		for b.Loop() {
			appendPixels(pixels, img)
		}
	})
	var lines []image.Rectangle
	for i := range 30 {
		lines = append(lines, image.Rect(20, 20+23*i, 700, 34+23*i))
	}
	probabilities := square(0.9, lines...)
	b.Run("boxes", func(b *testing.B) {
		for b.Loop() {
			find(probabilities, image.Pt(side, side))
		}
	})
}
