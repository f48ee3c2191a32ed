// Package images decodes and encodes images as BentoML's Pillow does: by their content,
// whatever the client calls them.
package images

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// format is one format that can be read. encode is nil for a format that cannot be
// written.
type format struct {
	name   string
	magic  string // the first bytes; '?' is any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	encode func(io.Writer, image.Image) error
}

var formats = []format{
	{"png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, png.Encode},
	{"jpeg", "\xff\xd8", jpeg.DecodeConfig, jpeg.Decode, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }},
	{"gif", "GIF8?a", gif.DecodeConfig, gif.Decode, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }},
	{"webp", "RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode, nil},
}

// Budget bounds the pixels of several images together, which are decoded one after the
// other.
type Budget struct {
	Most int64 // 0: no limit
	used int64
}

// Decode returns an image and the name of its format: png, jpeg, gif or webp. An image
// that exceeds the budget is refused before it is decoded. Of an animated image it returns
// the first frame. It does not turn the image as EXIF says.
func (b *Budget) Decode(r io.ReadSeeker) (image.Image, string, error) {
	f := formatOf(r)
	if f == nil {
		return nil, "", errors.New("the file must be a PNG, JPEG, GIF or WebP image")
	}
	config, err := f.config(fromStart(r))
	if err != nil {
		return nil, "", fmt.Errorf("the %s image cannot be read: %w", f.name, err)
	}
	pixels := int64(config.Width) * int64(config.Height)
	switch {
	case b.Most > 0 && pixels > b.Most:
		return nil, "", fmt.Errorf("the image must have at most %d pixels, found %d (%d x %d)", b.Most, pixels, config.Width, config.Height)
	case b.Most > 0 && pixels > b.Most-b.used:
		return nil, "", fmt.Errorf("the images of a request must have at most %d pixels together, found %d with this one", b.Most, b.used+pixels)
	}
	b.used += pixels
	decoded, err := f.decode(fromStart(r))
	if err != nil {
		return nil, "", fmt.Errorf("the %s image cannot be read: %w", f.name, err)
	}
	return whole(decoded, config), f.name, nil
}

func fromStart(r io.ReadSeeker) io.Reader {
	_, _ = r.Seek(0, io.SeekStart) // in a file that has been read
	return bufio.NewReader(r)
}

func formatOf(r io.ReadSeeker) *format {
	var head [16]byte
	n, _ := io.ReadFull(fromStart(r), head[:])
	for i := range formats {
		if hasMagic(head[:n], formats[i].magic) {
			return &formats[i]
		}
	}
	return nil
}

func hasMagic(head []byte, magic string) bool {
	if len(head) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != head[i] {
			return false
		}
	}
	return true
}

// whole returns an image of the size of its canvas: a GIF's frame may be smaller.
func whole(m image.Image, config image.Config) image.Image {
	canvas := image.Rect(0, 0, config.Width, config.Height)
	if m.Bounds() == canvas {
		return m
	}
	all := image.NewNRGBA(canvas)
	draw.Draw(all, m.Bounds(), m, m.Bounds().Min, draw.Src)
	return all
}

// Encode writes an image in a format: png, jpeg or gif. For any other format it writes
// png. It returns the media type of what it wrote.
func Encode(w io.Writer, m image.Image, name string) (mediaType string, err error) {
	for _, f := range formats {
		if f.name == name && f.encode != nil {
			return "image/" + name, f.encode(w, m)
		}
	}
	return "image/png", png.Encode(w, m)
}

// Writes reports whether Encode writes a media type.
func Writes(mediaType string) bool {
	for _, f := range formats {
		if "image/"+f.name == mediaType {
			return f.encode != nil
		}
	}
	return false
}
