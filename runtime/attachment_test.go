package runtime_test

import (
	"context"
	"fmt"
	"image"
	_ "image/gif"  // for image.Decode
	_ "image/jpeg" // for image.Decode
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

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
	runtime.HandleBatch(app, "items", func(context.Context, []text) ([]string, error) { return nil, nil }, runtime.RootInput())
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
		`service "Bad": API "items": runtime.RootInput: has an effect only with inputs that are no items; leave it out with runtime.HandleBatch`,
	}, "\n"))
}
