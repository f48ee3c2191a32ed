package main

import (
	"image"
	"image/color"
	"image/draw"

	"github.com/ekiben-serving/ekiben/examples/vision/detector"
)

var frameColour = image.NewUniform(color.RGBA{R: 255, A: 255})

// frames returns a copy of an image with a red frame inside of the edges of each box.
func frames(img image.Image, boxes []detector.Box) image.Image {
	size := img.Bounds().Size()
	drawn := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(drawn, drawn.Rect, img, img.Bounds().Min, draw.Src)
	wide := max(1, max(size.X, size.Y)/400)
	for _, box := range boxes {
		outer := image.Rect(box.X, box.Y, box.X+box.Width, box.Y+box.Height)
		inner := outer.Inset(wide)
		for _, edge := range []image.Rectangle{
			{outer.Min, image.Pt(outer.Max.X, inner.Min.Y)},
			{image.Pt(outer.Min.X, inner.Max.Y), outer.Max},
			{outer.Min, image.Pt(inner.Min.X, outer.Max.Y)},
			{image.Pt(inner.Max.X, outer.Min.Y), outer.Max},
		} {
			draw.Draw(drawn, edge, frameColour, image.Point{}, draw.Src)
		}
	}
	return drawn
}
