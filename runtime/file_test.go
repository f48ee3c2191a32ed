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

	"github.com/ekiben-serving/ekiben/batcher"
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

// A file that a function makes has a name by the rules for names that clients send.
func TestNamesOfNewFiles(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "a.csv": "a.csv", "a/b\nc.csv": "bc.csv", `C:\a.csv`: "a.csv", "..": "", "é \".csv": "é \".csv", "\xff": "\uFFFD",
	} {
		f := runtime.NewFile(name, "text/csv; charset=utf-8", nil)
		check.Equal(t, []string{f.Name(), f.ContentType()}, []string{want, "text/csv; charset=utf-8"})
	}
	path := filepath.Join(t.TempDir(), "a\n.csv")
	check.OK(t, os.WriteFile(path, nil, 0o600))
	f := check.Value(runtime.OpenFile(path))(t)
	check.Equal(t, f.Name(), "a.csv")
	check.OK(t, f.Close())
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

// The files of a request that is refused stay open for a batch that has some of its items.
func TestFilesOfARefusedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Batches", files(t))
		var contents []string
		runtime.HandleBatch(app, "read", func(_ context.Context, in []runtime.File) ([]string, error) {
			time.Sleep(10 * time.Second)
			content, err := in[0].Bytes()
			contents = append(contents, string(content)+fmt.Sprint(err))
			return []string{""}, nil
		}, runtime.ItemsField("files"), runtime.Batching(batcher.Config{MaxBatchSize: 1, MaxLatency: time.Second}))
		part := func(content string) string {
			return "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\n" + content + "\r\n"
		}
		s := direct(t, app)
		got := s.do("POST", "/read", part("the first one, on the disk")+part("the second one, on the disk")+"--x--\r\n", "Content-Type", "multipart/form-data; boundary=x")
		check.Equal(t, got.status, 503)
		time.Sleep(time.Minute)
		synctest.Wait()
		check.Equal(t, contents, []string{"the first one, on the disk<nil>"})
	})
}

// The files of a request stay open for a batch to which its function lent them, and which runs on.
func TestFilesLentInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, content := newApp("Batches", files(t)), ""
		read := runtime.HandleBatch(app, "read", func(_ context.Context, in []runtime.File) ([]string, error) {
			time.Sleep(10 * time.Second)
			bytes, err := in[0].Bytes()
			content = string(bytes) + fmt.Sprint(err)
			return []string{""}, nil
		}, runtime.ItemsField("files"))
		runtime.Handle(app, "lend", func(ctx context.Context, in fileInput) (string, error) {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := read.Call(limited, []runtime.File{*in.File})
			return fmt.Sprint(err), nil
		})
		s := direct(t, app)
		got := s.do("POST", "/lend", filePart("file", "a", "", "a content on the disk")+formEnd, "Content-Type", formType)
		check.Equal(t, got.status, 200)
		time.Sleep(time.Minute)
		synctest.Wait()
		check.Equal(t, content, "a content on the disk<nil>")
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
