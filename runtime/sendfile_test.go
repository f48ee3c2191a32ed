package runtime_test

import (
	"context"
	"errors"
	"image"
	_ "image/gif"  // for image.Decode
	_ "image/jpeg" // for image.Decode
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// fileResults makes an app whose results are files and images.
func fileResults(t *testing.T, disk string) *runtime.App {
	t.Helper()
	app := newApp("Results", files(t))
	runtime.Handle(app, "disk", func(context.Context, struct{}) (runtime.File, error) { return runtime.OpenFile(disk) })
	runtime.Handle(app, "memory", func(context.Context, struct{}) (runtime.File, error) {
		return runtime.NewFile("a.png", "", []byte(pngOf(1, 1))), nil
	})
	runtime.Handle(app, "odd", func(context.Context, struct{}) (runtime.File, error) {
		return runtime.NewFile("../a/b\r\n\"c;.csv", "text/csv; charset=utf-8", []byte("1")), nil
	})
	runtime.Handle(app, "none", func(context.Context, struct{}) (runtime.File, error) { return runtime.File{}, nil })
	runtime.Handle(app, "echo", func(_ context.Context, in fileInput) (runtime.File, error) { return *in.File, nil })
	runtime.Handle(app, "created", func(ctx context.Context, _ struct{}) (runtime.File, error) {
		runtime.ResponseFrom(ctx).SetStatus(http.StatusCreated)
		return runtime.NewFile("", "", []byte("new")), nil
	}, runtime.ContentType("text/x-new"))
	runtime.Handle(app, "closed", func(context.Context, struct{}) (runtime.File, error) {
		file, err := runtime.OpenFile(disk)
		return file, errors.Join(err, file.Close())
	})
	runtime.Handle(app, "image", func(_ context.Context, in text) (image.Image, error) {
		if in.Text == "none" {
			return nil, nil
		}
		return image.NewRGBA(image.Rect(0, 0, 3, 2)), nil
	})
	runtime.Handle(app, "photo", func(_ context.Context, in struct{ Format string }) (runtime.Image, error) {
		return runtime.Image{Image: image.NewRGBA(image.Rect(0, 0, 3, 2)), Format: in.Format}, nil
	})
	runtime.Handle(app, "small", func(context.Context, struct{}) (image.Image, error) {
		return image.NewRGBA(image.Rect(0, 0, 3, 2)), nil
	}, runtime.ContentType("image/jpeg"))
	return app
}

// A result can be a file, of which a client asks a range, or an image.
func TestFileResults(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "é a.txt")
	check.Must(t, os.WriteFile(disk, []byte("0123456789"), 0o600))
	bubbles(t, func(t *testing.T, host host) {
		s := host.start(t, fileResults(t, disk))
		const media, name = "text/plain; charset=utf-8", `attachment; filename*=utf-8''%C3%A9%20a.txt`
		got := s.post("/disk", "{}")
		got.want(t, 200, "0123456789").has(t, "Content-Type", media, "Content-Disposition", name, "Accept-Ranges", "bytes", "Content-Length", "10")
		etag := got.header.Get("Etag")
		s.do("POST", "/disk", "{}", "Range", "bytes=2-4", "If-Range", etag).want(t, 206, "234").has(t, "Content-Range", "bytes 2-4/10", "Etag", etag)
		s.do("POST", "/disk", "{}", "Range", "bytes=2-4", "If-Range", `"other"`).want(t, 200, "0123456789")
		s.do("POST", "/disk", "{}", "Range", "bytes=20-").want(t, 416, "invalid range: failed to overlap\n")
		s.do("POST", "/disk", "{}", "If-None-Match", etag).want(t, 200, "0123456789")
		s.post("/memory", "{}").has(t, "Content-Type", "image/png", "Content-Disposition", `inline; filename="a.png"`)
		s.post("/odd", "{}").want(t, 200, "1").has(t, "Content-Type", "text/csv; charset=utf-8", "Content-Disposition", `attachment; filename*=utf-8''b%22c%3B.csv`)
		s.post("/none", "{}").want(t, 200, "").has(t, "Content-Type", "application/octet-stream", "Content-Disposition", "")
		s.post("/created", "{}").want(t, 201, "new").has(t, "Content-Type", "text/x-new")
		s.do("POST", "/echo", filePart("file", "a b.wav", "audio/wav", "on the disk")+formEnd, "Content-Type", formType).
			want(t, 200, "on the disk").has(t, "Content-Type", "audio/wav", "Content-Disposition", `attachment; filename*=utf-8''a%20b.wav`)
		for path, want := range map[string]string{`/image {}`: "png", `/small {}`: "jpeg", `/photo {"Format":"gif"}`: "gif", `/photo {"Format":"webp"}`: "png"} {
			path, body, _ := strings.Cut(path, " ")
			got := s.post(path, body)
			m, format, err := image.Decode(strings.NewReader(got.body))
			if got.status != 200 || err != nil || format != want || m.Bounds().Dx() != 3 || got.header.Get("Content-Type") != "image/"+want {
				t.Errorf("%s %s: %s, %v", path, body, format, err)
			}
		}
		s.post("/image", `{"text":"none"}`).want(t, 500, masked)
		if _, err := s.try("POST", "/closed", "{}"); err == nil {
			t.Error("a file that cannot be read looks like a whole one")
		}
	})
}
