package images

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// webp1 is a WebP image of one pixel, without loss.
const webp1 = "RIFF\x1a\x00\x00\x00WEBPVP8L\r\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"

func encoded(t *testing.T, format string, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	_, err := Encode(&b, image.NewRGBA(image.Rect(0, 0, width, height)), format)
	check.Must(t, err)
	return b.String()
}

// bomb is a PNG of some bytes that says that it is large.
func bomb() string {
	header := []byte("IHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00")
	binary.BigEndian.PutUint32(header[4:], 1<<20)
	binary.BigEndian.PutUint32(header[8:], 1<<20)
	return "\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + string(binary.BigEndian.AppendUint32(header, crc32.ChecksumIEEE(header)))
}

// An image is decoded by its content. One that is too large or broken is refused.
func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		content, format, err string
		width                int
	}{
		"png":                 {encoded(t, "png", 3, 2), "png", "", 3},
		"jpeg":                {encoded(t, "jpeg", 3, 2), "jpeg", "", 3},
		"gif":                 {encoded(t, "gif", 3, 2), "gif", "", 3},
		"webp":                {webp1, "webp", "", 1},
		"of the limit":        {encoded(t, "png", 10, 10), "png", "", 10},
		"above the limit":     {encoded(t, "png", 101, 1), "", "at most 100 pixels, found 101 (101 x 1)", 0},
		"a bomb":              {bomb(), "", "at most 100 pixels, found 1099511627776", 0},
		"text":                {"not an image", "", "must be a PNG, JPEG, GIF or WebP image", 0},
		"nothing":             {"", "", "must be a PNG, JPEG, GIF or WebP image", 0},
		"a part of a png":     {encoded(t, "png", 3, 2)[:40], "", "the png image cannot be read: ", 0},
		"only the magic":      {"\xff\xd8", "", "the jpeg image cannot be read: ", 0},
		"a part of a webp":    {webp1[:24], "", "the webp image cannot be read: ", 0},
		"zero pixels of webp": {"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "the webp image cannot be read: ", 0},
	} {
		m, format, err := (&Budget{Most: 100}).Decode(strings.NewReader(c.content))
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v", name, err)
			}
		case err != nil || format != c.format || m.Bounds().Dx() != c.width:
			t.Errorf("%s: got %v, %q, %v", name, m, format, err)
		}
	}
	if _, _, err := (&Budget{}).Decode(strings.NewReader(encoded(t, "png", 101, 1))); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

// A budget is for all images together.
func TestBudget(t *testing.T) {
	b := &Budget{Most: 100}
	for i, want := range []string{"", "", "the images of a request must have at most 100 pixels together, found 120 with this one"} {
		_, _, err := b.Decode(strings.NewReader(encoded(t, "png", 40, 1)))
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("image %d: got %v", i, err)
		}
	}
}

// The first frame of an animated GIF has the size of the canvas.
func TestAnimatedGIF(t *testing.T) {
	palette := color.Palette{color.White, color.Black}
	var b bytes.Buffer
	small, large := image.NewPaletted(image.Rect(1, 1, 2, 2), palette), image.NewPaletted(image.Rect(0, 0, 4, 4), palette)
	check.Must(t, gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{small, large}, Delay: []int{1, 1}, Config: image.Config{Width: 4, Height: 4}}))
	m, _, err := (&Budget{Most: 100}).Decode(bytes.NewReader(b.Bytes()))
	check.Must(t, err)
	if r, _, _, _ := m.At(1, 1).RGBA(); m.Bounds() != image.Rect(0, 0, 4, 4) || r == 0 {
		t.Errorf("got %v", m.Bounds())
	}
}

// What cannot be written is written as PNG.
func TestEncode(t *testing.T) {
	for format, want := range map[string]string{"": "image/png", "png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/png", "bmp": "image/png"} {
		var b bytes.Buffer
		mediaType, err := Encode(&b, image.NewRGBA(image.Rect(0, 0, 1, 1)), format)
		if _, got, decodeErr := (&Budget{}).Decode(bytes.NewReader(b.Bytes())); err != nil || decodeErr != nil || mediaType != want || "image/"+got != want {
			t.Errorf("%q: got %s, %s, %v, %v", format, mediaType, got, err, decodeErr)
		}
		if Writes("image/"+format) != ("image/"+format == want) {
			t.Errorf("%q: Writes is wrong", format)
		}
	}
}

// An image is decoded or refused, within its limit.
func FuzzDecode(f *testing.F) {
	for _, one := range formats {
		f.Add([]byte(one.magic))
	}
	f.Add([]byte(webp1))
	f.Add([]byte(bomb()))
	f.Fuzz(func(t *testing.T, content []byte) {
		m, format, err := (&Budget{Most: 1000}).Decode(bytes.NewReader(content))
		if err == nil && (format == "" || m.Bounds().Dx()*m.Bounds().Dy() > 1000) {
			t.Errorf("got %v", m.Bounds())
		}
	})
}
