// Package pictures draws pictures of text, for tests.
package pictures

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Line is a line of text. Each pixel of the font, which is 13 pixels high, is Scale pixels wide and high.
type Line struct {
	Text  string
	X, Y  int // of its top left corner
	Scale int
}

// Of returns a picture with some lines, black on white, and where the ink of each line is.
func Of(size image.Point, lines ...Line) (*image.RGBA, []image.Rectangle) {
	return In(size, color.Black, color.White, lines...)
}

// In is [Of] in other colours.
func In(size image.Point, ink, paper color.Color, lines ...Line) (*image.RGBA, []image.Rectangle) {
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	places := make([]image.Rectangle, 0, len(lines))
	for _, line := range lines {
		places = append(places, line.write(img, ink))
	}
	return img, places
}

func (line Line) write(img *image.RGBA, ink color.Color) image.Rectangle {
	face := basicfont.Face7x13
	small := image.NewRGBA(image.Rect(0, 0, face.Advance*len(line.Text), face.Height))
	pen := font.Drawer{Dst: small, Src: image.NewUniform(ink), Face: face, Dot: fixed.P(0, face.Ascent)}
	pen.DrawString(line.Text)
	at := image.Pt(line.X, line.Y)
	draw.NearestNeighbor.Scale(img, image.Rectangle{Min: at, Max: at.Add(small.Rect.Max.Mul(line.Scale))}, small, small.Rect, draw.Over, nil)
	place := image.Rectangle{}
	for y := range small.Rect.Max.Y {
		for x := range small.Rect.Max.X {
			if small.RGBAAt(x, y).A > 0 {
				place = place.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return image.Rectangle{Min: at.Add(place.Min.Mul(line.Scale)), Max: at.Add(place.Max.Mul(line.Scale))}
}
