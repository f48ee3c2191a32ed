package detector

import (
	"image"

	"golang.org/x/image/draw"
)

// side is the width and height of the model's input. The Python package scales a square image to it.
const side = 736

// scaled returns the size that an image has in the square: its longer side fits.
func scaled(size image.Point) image.Point {
	longer := max(size.X, size.Y, 1)
	fit := func(v int) int { return max(1, (v*side+longer/2)/longer) }
	return image.Pt(fit(size.X), fit(size.Y))
}

// appendPixels appends the model's input for an image: a plane of blue, one of green and one of red,
// with numbers from -1 to 1. The image is scaled into the top left corner of a white square. White
// is behind transparent pixels, too.
func appendPixels(pixels []float32, img image.Image) []float32 {
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(square, square.Rect, image.White, image.Point{}, draw.Src)
	into := image.Rectangle{Max: scaled(img.Bounds().Size())}
	draw.ApproxBiLinear.Scale(square, into, img, img.Bounds(), draw.Over, nil)
	for _, colour := range []int{2, 1, 0} {
		for at := colour; at < len(square.Pix); at += 4 {
			pixels = append(pixels, float32(square.Pix[at])/127.5-1)
		}
	}
	return pixels
}
