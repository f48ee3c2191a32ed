package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/vision/detector"
	"github.com/ekiben-serving/ekiben/examples/vision/internal/pictures"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// served returns the URL of the service. Tests that need it fail without the model, and say what makes it.
func served(t *testing.T) string {
	t.Helper()
	app := runtime.New("TextDetector", runtime.WithConfig(config.Default()), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err := declare(app); err != nil {
		t.Fatal(err)
	}
	handler, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// post sends files as a form and returns the body of the response, which must have the status.
func post(t *testing.T, url, field string, status int, files ...[]byte) []byte {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, file := range files {
		part, err := form.CreateFormFile(field, "picture.png")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(file)
	}
	_ = form.Close()
	response, err := http.Post(url, form.FormDataContentType(), &body)
	if err != nil {
		t.Error(err)
		return nil
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != status {
		t.Errorf("%d %s, %v", response.StatusCode, content, err)
	}
	return content
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, img); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// detect returns the boxes of some pictures.
func detect(t *testing.T, url string, files ...[]byte) (boxes [][]detector.Box) {
	t.Helper()
	content := post(t, url+"/detect", "images", 200, files...)
	if err := json.Unmarshal(content, &boxes); err != nil || len(boxes) != len(files) {
		t.Errorf("%d pictures: %s, %v", len(files), content, err)
	}
	return boxes
}

// around reports whether boxes has one box, which is around a place and larger on each side by not more than margin.
func around(boxes []detector.Box, place image.Rectangle, margin int) bool {
	if len(boxes) != 1 {
		return false
	}
	box := image.Rect(boxes[0].X, boxes[0].Y, boxes[0].X+boxes[0].Width, boxes[0].Y+boxes[0].Height)
	return place.Inset(4).In(box) && box.In(place.Inset(-margin))
}

// A list of pictures gets a list of lists of boxes.
func TestDetect(t *testing.T) {
	url := served(t)
	text, places := pictures.Of(image.Pt(600, 400), pictures.Line{Text: "Platform", X: 100, Y: 200, Scale: 4})
	blank, _ := pictures.Of(image.Pt(300, 300))
	boxes := detect(t, url, encoded(t, text), encoded(t, blank))
	if !around(boxes[0], places[0], 12) || boxes[1] == nil || len(boxes[1]) > 0 {
		t.Errorf("found %v, want one box at %v, and an empty list", boxes, places[0])
	}
	content := post(t, url+"/detect", "images", 200, encoded(t, text))
	var fields [][]map[string]float64
	if err := json.Unmarshal(content, &fields); err != nil || len(fields) != 1 || len(fields[0]) != 1 || len(fields[0][0]) != 5 {
		t.Fatalf("%s: %v", content, err)
	}
	for _, name := range []string{"x", "y", "width", "height", "score"} {
		if fields[0][0][name] == 0 {
			t.Errorf("%s lacks %s", content, name)
		}
	}
}

// A file that is no image is an error of its request, at its place.
func TestNoImage(t *testing.T) {
	url := served(t)
	picture := encoded(t, image.NewGray(image.Rect(0, 0, 9, 9)))
	const problem = `{"error":"1 validation error for Input","detail":[{"type":"value_error","loc":[%s],"msg":"Value error, the %s"}]}`
	for _, row := range []struct {
		api, field, loc, say string
		files                [][]byte
	}{
		{"/detect", "images", `"images",0`, "file must be a PNG, JPEG, GIF or WebP image", [][]byte{[]byte("text")}},
		{"/detect", "images", `"images",1`, "png image cannot be read: unexpected EOF", [][]byte{picture, picture[:40]}},
		{"/draw", "image", `"image"`, "file must be a PNG, JPEG, GIF or WebP image", [][]byte{[]byte("text")}},
		{"/draw", "image", `"image"`, "file must be a PNG, JPEG, GIF or WebP image", [][]byte{nil}},
	} {
		if got, want := string(post(t, url+row.api, row.field, 400, row.files...)), fmt.Sprintf(problem, row.loc, row.say); got != want {
			t.Errorf("%s: got %s, want %s", row.api, got, want)
		}
	}
}

// draw returns the picture with a red frame around its line, and changes nothing else.
func TestDraw(t *testing.T) {
	url := served(t)
	text, places := pictures.Of(image.Pt(600, 400), pictures.Line{Text: "Platform", X: 100, Y: 200, Scale: 4})
	box := detect(t, url, encoded(t, text))[0][0]
	drawn, err := png.Decode(bytes.NewReader(post(t, url+"/draw", "image", 200, encoded(t, text))))
	if err != nil || drawn.Bounds() != text.Rect {
		t.Fatalf("%v, %v", drawn.Bounds(), err)
	}
	outer := image.Rect(box.X, box.Y, box.X+box.Width, box.Y+box.Height)
	for y := range 400 {
		for x := range 600 {
			want := text.At(x, y)
			if at := image.Pt(x, y); at.In(outer) && !at.In(outer.Inset(1)) {
				want = frameColour.C
			}
			wantR, wantG, wantB, wantA := want.RGBA()
			if r, g, b, a := drawn.At(x, y).RGBA(); r != wantR || g != wantG || b != wantB || a != wantA {
				t.Fatalf("pixel %d, %d: got %v, want %v; box %v, line %v", x, y, drawn.At(x, y), want, outer, places[0])
			}
		}
	}
}

// Frames are where the boxes are, also if a picture does not begin at 0, 0, and end with it.
func TestFrames(t *testing.T) {
	whole, _ := pictures.Of(image.Pt(1000, 1000))
	drawn := frames(whole.SubImage(image.Rect(100, 100, 900, 900)), []detector.Box{{X: 10, Y: 20, Width: 30, Height: 40}, {X: 797, Y: 797, Width: 3, Height: 3}})
	if drawn.Bounds() != image.Rect(0, 0, 800, 800) {
		t.Fatalf("%v", drawn.Bounds())
	}
	red := 0
	for y := range 800 {
		for x := range 800 {
			if _, green, _, _ := drawn.At(x, y).RGBA(); green == 0 {
				red++
			}
		}
	}
	if want := 30*40 - 26*36 + 3*3; red != want {
		t.Errorf("%d red pixels, want %d", red, want)
	}
}

// sample returns the sum of the series of a metric that have a part, such as a label.
func sample(t *testing.T, url, metric, part string) (sum float64) {
	t.Helper()
	page, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(page.Body)
	_ = page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, metric+"{") && strings.Contains(line, part) {
			number, _, _ := strings.Cut(strings.TrimSpace(line[strings.LastIndex(line, "}")+1:]), " ") // an exemplar may follow
			value, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sum += value
		}
	}
	return sum
}

// Pictures of many requests, of both APIs, share batches, and each request gets its own boxes.
func TestBatched(t *testing.T) {
	const requests = 32
	url := served(t)
	var all sync.WaitGroup
	for i := range requests {
		text, places := pictures.Of(image.Pt(300, 350), pictures.Line{Text: "Room-" + strconv.Itoa(10+i), X: 5 + 4*i, Y: 5 + 9*i, Scale: 2})
		picture := encoded(t, text)
		all.Go(func() {
			if i%4 > 0 {
				if boxes := detect(t, url, picture); !around(boxes[0], places[0], 8) {
					t.Errorf("request %d: found %v, want one box at %v", i, boxes, places[0])
				}
				return
			}
			drawn, err := png.Decode(bytes.NewReader(post(t, url+"/draw", "image", 200, picture)))
			if err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			middle := places[0].Min.Add(places[0].Size().Div(2))
			for y := middle.Y; drawn.At(middle.X, y) != frameColour.C; y-- {
				if y < places[0].Min.Y-8 {
					t.Errorf("request %d: there is no frame above %v", i, places[0])
					return
				}
			}
		})
	}
	all.Wait()
	const metric = "bentoml_service_adaptive_batch_size"
	if runs, items := sample(t, url, metric+"_count", `"detect"`), sample(t, url, metric+"_sum", `"detect"`); items != requests || runs > requests/2 {
		t.Errorf("%g pictures of %d requests took %g runs", items, requests, runs)
	}
}
