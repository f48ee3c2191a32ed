package real

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// TestVisionPage sends a picture of a line of text to examples/vision with the form of its page, which
// shows the picture with a red frame around the line.
func TestVisionPage(t *testing.T) {
	for _, tool := range []string{"cc", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("it needs %s", tool)
		}
	}
	const example = "examples/vision"
	service, port := filepath.Join(t.TempDir(), "vision"), freePort(t)
	for _, args := range [][]string{{"go", "run", "./fetch"}, {"go", "build", "-o", service, "."}} {
		if out, err := typed(t, example, args...); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	start(t, local(port)+"/readyz", program(service, "serve", "--set", "http.port="+strconv.Itoa(port)))
	picture, line := written("A line of text")
	b := browse(t, local(port)+"/")
	b.steps(
		sees("APIs", `document.querySelectorAll('.api').length`, "2"),
		does("a picture is chosen", fmt.Sprintf(`(() => {
			const chosen = new DataTransfer(), control = $('api1').querySelector('input[type=file]');
			chosen.items.add(new File([Uint8Array.fromBase64('%s')], 'line.png', { type: 'image/png' }));
			control.files = chosen.files;
			control.dispatchEvent(new Event('input'));
		})()`, base64.StdEncoding.EncodeToString(picture)), ""),
		does("it is sent", `ui.press(1)`, "200 OK|"),
		sees("the result is shown", `(i => i.complete && i.naturalWidth + 'x' + i.naturalHeight + i.hidden)($('api1').querySelector('form img'))`, "400x200false"))
	var frame image.Rectangle
	found, err := b.eval(`(() => {
		const shown = $('api1').querySelector('form img'), canvas = new OffscreenCanvas(400, 200), pen = canvas.getContext('2d');
		pen.drawImage(shown, 0, 0);
		const pixels = pen.getImageData(0, 0, 400, 200).data, xs = [], ys = [];
		for (let i = 0; i < pixels.length; i += 4)
			if (pixels[i] === 255 && !pixels[i + 1] && !pixels[i + 2]) { xs.push(i / 4 % 400); ys.push(Math.floor(i / 1600)); }
		return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1].join(' ');
	})()`)
	_, malformed := fmt.Sscan(found, &frame.Min.X, &frame.Min.Y, &frame.Max.X, &frame.Max.Y)
	check.Must(t, errors.Join(err, malformed))
	if !line.Inset(8).In(frame) || !frame.In(line.Inset(-20)) { // the cells of a font have a margin
		t.Errorf("the frame is at %s, the line at %s", frame, line)
	}
	b.steps(
		does("a file that is no picture", `(() => {
			const chosen = new DataTransfer(), control = $('api1').querySelector('input[type=file]');
			chosen.items.add(new File(['123'], 'a.txt', { type: 'text/plain' }));
			control.files = chosen.files;
			control.dispatchEvent(new Event('input'));
			return ui.press(1);
		})()`, ""),
		sees("is refused", `ui.status.split(' in ')[0]`, "400 Bad Request"))
	b.complaints()
}

// written returns a picture with a line of text as PNG, and where the line is.
func written(text string) (picture []byte, line image.Rectangle) {
	face, at := basicfont.Face7x13, image.Pt(50, 80)
	small := image.NewRGBA(image.Rect(0, 0, face.Advance*len(text), face.Height))
	draw.Draw(small, small.Rect, image.White, image.Point{}, draw.Src)
	pen := font.Drawer{Dst: small, Src: image.Black, Face: face, Dot: fixed.P(0, face.Ascent)}
	pen.DrawString(text)
	large := image.NewRGBA(image.Rect(0, 0, 400, 200))
	draw.Draw(large, large.Rect, image.White, image.Point{}, draw.Src)
	line = image.Rectangle{Min: at, Max: at.Add(small.Rect.Max.Mul(3))}
	draw.NearestNeighbor.Scale(large, line, small, small.Rect, draw.Src, nil)
	var file bytes.Buffer
	_ = png.Encode(&file, large) // a buffer takes everything
	return file.Bytes(), line
}
