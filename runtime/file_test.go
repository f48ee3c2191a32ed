package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // for image.Decode
	_ "image/jpeg" // for image.Decode
	"image/png"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	rt "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

const formType = "multipart/form-data; boundary=x"

// filePart is a file of a form with the boundary x.
func filePart(name, fileName, kind, content string) string {
	return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + fileName + "\"\r\nContent-Type: " + kind + "\r\n\r\n" + content + "\r\n"
}

func valuePart(name, value string) string {
	return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

const formEnd = "--x--\r\n"

func pngOf(width, height int) string {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewRGBA(image.Rect(0, 0, width, height)))
	return b.String()
}

type fileInput struct {
	File  *runtime.File  `json:"file"`
	Files []runtime.File `json:"files,omitempty"`
	Audio *runtime.File  `json:"audio" contentType:"Audio/*"`
	Image image.Image    `json:"image,omitempty"`
	Scale int            `json:"scale" default:"2" maximum:"9"`
	Extra any            `json:"extra,omitempty"`
}

// describe says what an input has.
func describe(_ context.Context, in fileInput) (string, error) {
	said := fmt.Sprint("scale ", in.Scale)
	for _, one := range []*runtime.File{in.File, in.Audio} {
		if one != nil {
			content, err := one.Bytes()
			if err != nil {
				return "", err
			}
			said += fmt.Sprintf(", %s %s %d %s", one.Name(), one.ContentType(), one.Size(), content)
		}
	}
	for _, one := range in.Files {
		said += ", " + one.Name()
	}
	if in.Extra != nil {
		said += fmt.Sprint(", ", in.Extra)
	}
	if in.Image != nil {
		said += ", " + in.Image.Bounds().String()
	}
	return said, nil
}

// files sets where files are kept: what is larger than 8 bytes is on disk.
func files(t *testing.T) runtime.Option {
	return settings(func(c *config.Config) {
		c.HTTP.H2C = true
		c.Files = config.Files{Memory: 8, Directory: t.TempDir(), MaxFiles: 3, MaxPixels: 100}
	})
}

// Files come in forms. What is wrong with them is a 400 with its place.
func TestFiles(t *testing.T) {
	invalid := func(kind, loc, msg string) string {
		return `{"error":"1 validation error for Input","detail":[{"type":"` + kind + `","loc":["` + loc + `"],"msg":"` + msg + `"}]}`
	}
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Files", files(t))
		runtime.Handle(app, "describe", describe)
		s := host.start(t, app)
		a := filePart("file", "a.txt", "text/plain; charset=utf-8", "1234")
		for _, row := range []struct {
			body   string
			status int
			want   string
		}{
			{formEnd, 200, "scale 2"},
			{a + formEnd, 200, "scale 2, a.txt text/plain 4 1234"},
			{filePart("file", "a.txt", "", "on the disk") + valuePart("scale", "3") + formEnd, 200, "scale 3, a.txt  11 on the disk"},
			{filePart("files", "../a", "", "1") + filePart("files", "b", "", "22") + formEnd, 200, "scale 2, a, b"},
			{filePart("audio", "a.wav", "audio/wav", "1") + formEnd, 200, "scale 2, a.wav audio/wav 1 1"},
			{filePart("audio", "a", "", "1") + formEnd, 200, "scale 2, a  1 1"},
			{filePart("image", "a.png", "text/plain", pngOf(10, 10)) + formEnd, 200, "scale 2, (0,0)-(10,10)"},
			{a + valuePart("extra", "12345678901234567890") + formEnd, 200, "scale 2, a.txt text/plain 4 1234, 12345678901234567890"},
			{filePart("file", "", "", "") + formEnd, 200, "scale 2"},
			{filePart("other", "a", "", "1") + formEnd, 200, "scale 2"},
			{a + a + formEnd, 400, invalid("too_long", "file", "Input should be one file, not 2")},
			{valuePart("file", "text") + formEnd, 400, invalid("path_type", "file", "Invalid file type: a file is a part of a multipart form with a filename")},
			{filePart("audio", "a.txt", "text/plain", "1") + formEnd, 400, invalid("value_error", "audio", "Value error, Invalid content type text/plain, expected Audio/*")},
			{filePart("image", "a.png", "image/png", "1") + formEnd, 400, invalid("value_error", "image", "Value error, the file must be a PNG, JPEG, GIF or WebP image")},
			{filePart("image", "a.png", "image/png", pngOf(101, 1)) + formEnd, 400, invalid("value_error", "image", "Value error, the image must have at most 100 pixels, found 101 (101 x 1)")},
			{filePart("scale", "a", "", "10") + formEnd, 400, invalid("less_than_equal", "scale", "Input should be less than or equal to 9")},
			{filePart("files", "a", "", strings.Repeat("1", 20))[:100], 400, `{"error":"The form cannot be read: part 1, field \"files\": unexpected EOF"}`},
			{strings.Repeat(filePart("files", "a", "", "1"), 4) + formEnd, 400, `{"error":"The form cannot be read: part 4, field \"files\": it must have at most 3 files"}`},
		} {
			got := s.do("POST", "/describe", row.body, "Content-Type", formType)
			got.want(t, row.status, row.want)
		}
		for _, body := range []string{`{"file":"/etc/hostname"}`, `{"file":0}`, `{"file":[0]}`, `{"file":{"name":"a"}}`} {
			s.post("/describe", body).want(t, 400, invalid("path_type", "file", "Invalid file type"))
		}
		s.post("/describe", `{"file":null,"scale":4}`).want(t, 200, "scale 4")
		for _, body := range []string{"file=0", "file=-1", "file=[7]", "file=text"} { // a client chooses no index
			got := s.do("POST", "/describe", body, "Content-Type", "application/x-www-form-urlencoded")
			got.want(t, 400, invalid("path_type", "file", "Invalid file type: a file is a part of a multipart form with a filename"))
		}
	})
}

// A whole body can be a file, an image, bytes or a model.
func TestWholeInputs(t *testing.T) {
	type Word struct {
		Word string `json:"word"`
	}
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Whole", files(t))
		runtime.Handle(app, "file", func(_ context.Context, in runtime.File) (string, error) {
			return fmt.Sprint(in.Name(), in.ContentType(), in.Size()), nil
		})
		runtime.Handle(app, "picture", func(_ context.Context, in runtime.Image) (string, error) { return in.Format, nil })
		runtime.Handle(app, "bytes", func(_ context.Context, in []byte) (int, error) { return len(in), nil })
		runtime.Handle(app, "model", func(_ context.Context, in Word) (string, error) { return in.Word, nil }, runtime.RootInput())
		s := host.start(t, app)
		s.do("POST", "/file", "1234", "Content-Type", "audio/wav; x=y").want(t, 200, "audio/wav4")
		s.do("POST", "/file", strings.Repeat("1", 100), "Content-Disposition", `attachment; filename="b/a.wav"`).want(t, 200, "a.wavapplication/json100")
		s.post("/file", "").want(t, 200, "application/json0")
		s.do("POST", "/file", "", "Content-Type", "audio/wav; x=y").want(t, 200, "audio/wav0")
		s.do("POST", "/picture", pngOf(1, 1), "Content-Type", "image/jpeg").want(t, 200, "png")
		s.post("/picture", "1").want(t, 400, `{"error":"1 validation error for Input","detail":[{"type":"value_error","loc":[],"msg":"Value error, the file must be a PNG, JPEG, GIF or WebP image"}]}`)
		s.do("POST", "/bytes", "\x00\xff", "Content-Type", "application/octet-stream").want(t, 200, "2")
		s.post("/model", `{"word":"a"}`).want(t, 200, "a")
		s.post("/model", `{}`).want(t, 400, `{"error":"1 validation error for WordIODescriptor","detail":[{"type":"missing","loc":["word"],"msg":"Field required"}]}`)
	})
}

// A result can be a file, of which a client asks a range, or an image.
func TestFileResults(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "é a.txt")
	check.Must(t, os.WriteFile(disk, []byte("0123456789"), 0o600))
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Results", files(t))
		runtime.Handle(app, "disk", func(context.Context, struct{}) (runtime.File, error) { return runtime.OpenFile(disk) })
		runtime.Handle(app, "memory", func(context.Context, struct{}) (runtime.File, error) {
			return runtime.NewFile("a.png", "", []byte(pngOf(1, 1))), nil
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
		s := host.start(t, app)
		const media, name = "text/plain; charset=utf-8", `attachment; filename*=utf-8''%C3%A9%20a.txt`
		got := s.post("/disk", "{}")
		got.want(t, 200, "0123456789").has(t, "Content-Type", media, "Content-Disposition", name, "Accept-Ranges", "bytes", "Content-Length", "10")
		etag := got.header.Get("Etag")
		s.do("POST", "/disk", "{}", "Range", "bytes=2-4", "If-Range", etag).want(t, 206, "234").has(t, "Content-Range", "bytes 2-4/10", "Etag", etag)
		s.do("POST", "/disk", "{}", "Range", "bytes=2-4", "If-Range", `"other"`).want(t, 200, "0123456789")
		s.do("POST", "/disk", "{}", "Range", "bytes=20-").want(t, 416, "invalid range: failed to overlap\n")
		s.do("POST", "/disk", "{}", "If-None-Match", etag).want(t, 200, "0123456789")
		s.post("/memory", "{}").has(t, "Content-Type", "image/png", "Content-Disposition", `inline; filename="a.png"`)
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

// Files are given to batches, to streams, and to calls in process.
func TestFilesOfOtherKinds(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Kinds", files(t))
		sizes := runtime.HandleBatch(app, "sizes", func(_ context.Context, items []runtime.File) (sizes []int64, err error) {
			for _, one := range items {
				content, err := one.Bytes()
				if err != nil {
					return nil, err
				}
				sizes = append(sizes, int64(len(content)))
			}
			return sizes, nil
		}, runtime.ItemsField("files"))
		runtime.HandleStream(app, "parts", func(_ context.Context, in fileInput) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for r := in.File.Reader(); ; {
					chunk := make([]byte, 4)
					n, err := r.Read(chunk)
					if err == io.EOF || !yield(chunk[:n], err) {
						return
					}
				}
			}
		})
		s := host.start(t, app)
		both := filePart("files", "a", "", "1") + filePart("files", "b", "", "on the disk") + formEnd
		s.do("POST", "/sizes", both, "Content-Type", formType).want(t, 200, "[1,11]")
		s.do("POST", "/sizes", filePart("files", "a", "", "1")+formEnd, "Content-Type", formType).want(t, 200, "[1]")
		s.do("POST", "/parts", filePart("file", "a", "", "on the disk")+formEnd, "Content-Type", formType).want(t, 200, "on the disk")
		if got, err := sizes.Call(t.Context(), []runtime.File{runtime.NewFile("a", "", []byte("123")), {}}); err != nil || fmt.Sprint(got) != "[3 0]" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// The files of a function that returns after its 504 are closed, and so is its result.
func TestFilesOfLateFunctions(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Late", files(t))
		own := filepath.Join(t.TempDir(), "own")
		check.OK(t, os.WriteFile(own, []byte("content"), 0o600))
		var kept []runtime.File
		runtime.Handle(app, "file", func(_ context.Context, in runtime.File) (runtime.File, error) {
			time.Sleep(2 * time.Second)
			out, err := runtime.OpenFile(own)
			kept = append(kept, in, out)
			return out, err
		}, runtime.Timeout(time.Second))
		runtime.HandleStream(app, "stream", func(_ context.Context, in runtime.File) iter.Seq2[string, error] {
			return func(func(string, error) bool) {
				time.Sleep(2 * time.Second)
				kept = append(kept, in)
			}
		}, runtime.Timeout(time.Second))
		s := host.start(t, app)
		for _, path := range []string{"/file", "/stream"} {
			check.Equal(t, s.do("POST", path, "on the disk").status, 504)
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		check.Equal(t, len(kept), 3)
		for i, one := range kept {
			if _, err := one.Bytes(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("file %d: got %v, want that it is closed", i, err)
			}
		}
	})
}

// A directory that takes no files is an error at start, and a 503 later.
func TestFilesDirectory(t *testing.T) {
	directory := t.TempDir()
	option := func(directory string) runtime.Option {
		return settings(func(c *config.Config) { c.Files.Memory, c.Files.Directory = 8, directory })
	}
	bad := newApp("Bad", option(filepath.Join(directory, "missing")))
	runtime.Handle(bad, "describe", describe)
	check.Error(t, bad.Check(), "files.directory: files cannot be kept in the directory "+filepath.Join(directory, "missing")+
		": no such file or directory, and API \"describe\" takes files")
	none := newApp("None", option(filepath.Join(directory, "missing")))
	runtime.Handle(none, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	check.OK(t, none.Check())

	log := &logBuffer{}
	app := newApp("Files", option(directory), runtime.WithLogger(textLogger(log)))
	runtime.Handle(app, "describe", describe)
	s := serve(t, app)
	s.post("/describe", "{}").want(t, 200, "scale 2") // it has started
	check.Must(t, os.Remove(directory))
	s.do("POST", "/describe", filePart("file", "a", "", "on the disk")+formEnd, "Content-Type", formType).
		want(t, 503, `{"error":"The files of the request cannot be stored"}`)
	s.do("POST", "/describe", filePart("file", "a", "", "small")+formEnd, "Content-Type", formType).want(t, 200, "scale 2, a  5 small")
	check.Contains(t, log.String(), "files cannot be kept in the directory "+directory)
}

// A large upload is on disk, and gone from it when the request ends. Its memory is bounded.
func TestLargeUpload(t *testing.T) {
	const size = 100 << 20
	app := newApp("Files", settings(func(c *config.Config) { c.HTTP.MaxBodySize, c.Files.Directory = 2*size, t.TempDir() }))
	var during rt.MemStats
	runtime.Handle(app, "describe", func(_ context.Context, in fileInput) (int64, error) {
		rt.ReadMemStats(&during)
		return io.Copy(io.Discard, in.File.Reader())
	})
	s := serve(t, app)
	s.post("/describe", "{}") // which panics, and makes what later requests use again
	var before rt.MemStats
	rt.GC()
	rt.ReadMemStats(&before)
	head := filePart("file", "a", "", "")
	body := io.MultiReader(strings.NewReader(strings.TrimSuffix(head, "\r\n")), io.LimitReader(zeros{}, size), strings.NewReader("\r\n"+formEnd))
	r := check.Value(http.NewRequestWithContext(t.Context(), "POST", s.url+"/describe", body))(t)
	r.Header.Set("Content-Type", formType)
	got := check.Value(s.http.Do(r))(t)
	content := check.Value(io.ReadAll(got.Body))(t)
	check.Must(t, got.Body.Close())
	if string(content) != fmt.Sprint(size) {
		t.Errorf("got %s", content)
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// BentoML writes an optional file without null as an alternative, and a list likewise.
func TestFileSchema(t *testing.T) {
	app := newApp("Files")
	runtime.Handle(app, "optional", func(context.Context, struct {
		Cover *runtime.Image  `json:"cover"`
		Files []*runtime.File `json:"files" default:"[]"`
	}) (string, error) {
		return "", nil
	})
	schema := direct(t, app).do("GET", "/schema.json", "").body
	check.Contains(t, schema, `"cover":{"type":"file","format":"image","pil":true,"title":"Cover","default":null}`)
	check.Contains(t, schema, `"files":{"items":{"type":"file","format":"binary"},"type":"array","title":"Files","default":[]}`)
}

// What no form and no response can have is an error of the declaration.
func TestFileDeclarations(t *testing.T) {
	type nested struct {
		In struct{ File runtime.File }
	}
	app := newApp("Bad")
	runtime.Handle(app, "nested", func(context.Context, nested) (string, error) { return "", nil })
	runtime.Handle(app, "lists", func(context.Context, struct{ Files [][]runtime.File }) (string, error) { return "", nil })
	runtime.Handle(app, "map", func(context.Context, map[string]image.Image) (string, error) { return "", nil })
	runtime.Handle(app, "tag", func(context.Context, struct {
		A runtime.File `contentType:"audio"`
		B string       `contentType:"audio/wav"`
		C runtime.File `default:"x"`
	}) (string, error) {
		return "", nil
	})
	runtime.Handle(app, "list", func(context.Context, text) ([]runtime.File, error) { return nil, nil })
	runtime.Handle(app, "field", func(context.Context, text) (struct{ A image.Image }, error) { return struct{ A image.Image }{}, nil })
	runtime.Handle(app, "pointer", func(context.Context, *runtime.File) (*runtime.Image, error) { return nil, nil })
	runtime.Handle(app, "pixels", func(context.Context, struct{ A *image.RGBA }) (*image.NRGBA, error) { return nil, nil })
	runtime.Handle(app, "corners", func(_ context.Context, in image.Rectangle) (image.Rectangle, error) { return in, nil }) // no error
	runtime.HandleStream(app, "frames", func(context.Context, text) iter.Seq2[image.Image, error] { return nil })
	runtime.Handle(app, "webp", func(context.Context, text) (image.Image, error) { return nil, nil }, runtime.ContentType("image/webp"))
	runtime.Handle(app, "root", func(context.Context, []string) (string, error) { return "", nil }, runtime.RootInput())
	const place = "a file must be a parameter, in a list that is a parameter, or the whole input, because a form has files on its top level only"
	check.Error(t, app.Check(), strings.Join([]string{
		`service "Bad": API "nested": input: runtime_test.nested.In.File: ` + place,
		`service "Bad": API "lists": input: struct.Files[]: ` + place,
		`service "Bad": API "map": input: map[string]image.Image[]: ` + place,
		`service "Bad": API "tag": input: struct.A: tag contentType:"audio": must be a media type without parameters, such as "audio/wav" or "audio/*"`,
		`service "Bad": API "tag": input: struct.B: tag contentType:"audio/wav": does not apply to string`,
		`service "Bad": API "tag": input: struct.C: tag default:"x": must be JSON, found "x": jsontext: invalid character 'x' at start of value`,
		`service "Bad": API "list": output: []runtime.File[]: a file must be the whole result`,
		`service "Bad": API "field": output: struct.A: a file must be the whole result`,
		`service "Bad": API "pointer": input: *runtime.File: must not be a pointer: a whole body is always a file`,
		`service "Bad": API "pointer": output: *runtime.Image: must not be a pointer: a whole body is always a file`,
		`service "Bad": API "pixels": input: struct.A: image.RGBA cannot be read from JSON: it is an image; use image.Image or runtime.Image`,
		`service "Bad": API "pixels": output: *image.NRGBA: cannot be written as JSON: it is an image; use image.Image or runtime.Image`,
		`service "Bad": API "frames": output: image.Image: cannot be written as JSON: it is an image; encode it, and use []byte`,
		`service "Bad": API "webp": runtime.ContentType: must be image/png, image/jpeg or image/gif for a result that is an image, found "image/webp"`,
		`service "Bad": API "root": runtime.RootInput: needs an input that is a struct type with a name, found []string`,
	}, "\n"))
}
