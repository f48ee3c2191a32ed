package body

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/go-json-experiment/json/jsontext"
)

// A form is refused, or becomes a JSON object.
func FuzzForm(f *testing.F) {
	for _, row := range [][2]string{
		{urlencodedForm, "a=1&b=x+y&a=%26"}, {urlencodedForm, "&=&a"},
		{multipartForm + "; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--"},
		{multipartForm + "; boundary=\"x y\"", "--x y\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n{}\r\n--x y--"},
		{multipartForm, ""},
	} {
		f.Add(row[0], []byte(row[1]))
	}
	f.Fuzz(func(t *testing.T, contentType string, form []byte) {
		var b Reader
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(form))
		r.Header.Set("Content-Type", contentType)
		accepts := Accepts{Forms: true, IsFile: func(name string) bool { return name == "b" }, Spool: Spool{Memory: 8, Directory: t.TempDir(), MaxFiles: 3}}
		_, refused := b.ReadAll(r, 0, accepts)
		defer closeAll(t, &b)
		if refused != nil {
			if refused.Status < 400 || refused.Message == "" {
				t.Error(refused)
			}
			return
		}
		if object := jsontext.Value(b.Bytes()); b.Form && (object.Kind() != '{' || !object.IsValid(jsontext.AllowDuplicateNames(true))) {
			t.Errorf("got %s", object)
		}
	})
}

func closeAll(t *testing.T, b *Reader) {
	t.Helper()
	for _, file := range b.Files {
		check.Must(t, file.Close())
	}
}

// part is a part of a multipart form with the boundary x.
func part(disposition, kind, content string) string {
	return "--x\r\nContent-Disposition: form-data; " + disposition + "\r\nContent-Type: " + kind + "\r\n\r\n" + content + "\r\n"
}

// A form becomes the JSON object of its fields, in which a file has its index. A form
// that cannot be read is refused with the part at fault.
func TestForms(t *testing.T) {
	const end = "--x--\r\n"
	file := func(name, content string) string {
		return part(`name="file"; filename="`+name+`"`, "text/plain", content)
	}
	for name, c := range map[string]struct {
		form   string
		want   string   // the object, or a part of the message
		files  []string // name, type and content of each
		status int      // 0: the form is read
	}{
		"fields":              {part(`name="a"`, "text/plain", "1") + part(`name="b"`, "", "x y") + part(`name="a"`, "", "{}") + end, `{"a":{},"b":"x y"}`, nil, 0},
		"a file":              {file("a.txt", "12") + end, `{"file":[0]}`, []string{"a.txt text/plain 12"}, 0},
		"a file on disk":      {file("a.txt", "123456789") + end, `{"file":[0]}`, []string{"a.txt text/plain 123456789"}, 0},
		"files":               {file("a", "1") + part(`name="b"`, "", "2") + file("b", "123456789") + end, `{"file":[0,1],"b":2}`, []string{"a text/plain 1", "b text/plain 123456789"}, 0},
		"a name with folders": {file(`../..\\etc/pass\"wd`, "1") + end, `{"file":[0]}`, []string{`pass"wd text/plain 1`}, 0},
		"a name of dots":      {file("..", "1") + end, `{"file":[0]}`, []string{" text/plain 1"}, 0},
		"no file was chosen":  {file("", "") + end, `{}`, nil, 0},
		"null in place":       {part(`name="file"`, "", "null") + part(`name="file"`, "", "") + end, `{}`, nil, 0},
		"more than null":      {part(`name="file"`, "", "nullable") + end, `{"file":[null]}`, nil, 0},
		"text in place":       {part(`name="file"`, "", "text") + end, `{"file":[null]}`, nil, 0},
		"a file as a field":   {part(`name="a"; filename="n"`, "", `"x"`) + end, `{"a":"x"}`, nil, 0},
		"nothing":             {end, `{}`, nil, 0},
		"what follows":        {end + strings.Repeat("x", 2000), "at most 1000 bytes", nil, http.StatusRequestEntityTooLarge},
		"too large":           {file("a", strings.Repeat("x", 1000)) + end, "at most 1000 bytes", nil, http.StatusRequestEntityTooLarge},
		"cut in a file":       {file("a", "123456")[:95], `The form cannot be read: part 1, field "file": unexpected EOF`, nil, http.StatusBadRequest},
		"cut on disk":         {strings.TrimSuffix(file("a", "123456789"), "\r\n"), `part 1, field "file": unexpected EOF`, nil, http.StatusBadRequest},
		"a part without name": {part(`filename="n"`, "", "") + end, "part 1: Content-Disposition must be form-data with a name", nil, http.StatusBadRequest},
		"a file too many":     {strings.Repeat(file("a", "1"), 4) + end, `part 4, field "file": it must have at most 3 files`, nil, http.StatusBadRequest},
		"not UTF-8":           {part(`name="a"`, "", "\xff") + end, `field "a" is not UTF-8`, nil, http.StatusBadRequest},
		"a file by mistake":   {part(`name="a"; filename="n"`, "image/png", "\xff") + end, `part 1, field "a": it is not UTF-8, and the API takes no file with this name`, nil, http.StatusBadRequest},
		"no boundary in it":   {"nothing", "part 1: ", nil, http.StatusBadRequest},
	} {
		directory := t.TempDir()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.form))
		r.ContentLength = -1
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		var b Reader
		_, refused := b.ReadAll(r, 1000, Accepts{Forms: true, IsFile: func(name string) bool { return name == "file" }, Spool: Spool{Memory: 8, Directory: directory, MaxFiles: 3}})
		switch {
		case refused != nil:
			if refused.Status != c.status || !strings.Contains(refused.Message, c.want) {
				t.Errorf("%s: got %+v", name, refused)
			}
		case c.status != 0, b.String() != c.want:
			t.Errorf("%s: got %s", name, b.String())
		default:
			var got []string
			for _, f := range b.Files {
				content := check.Value(io.ReadAll(io.NewSectionReader(f, 0, f.Size())))(t)
				got = append(got, f.Name+" "+f.Type+" "+string(content))
			}
			check.Equal(t, strings.Join(got, "; "), strings.Join(c.files, "; "))
		}
		if left := check.Value(os.ReadDir(directory))(t); len(left) > 0 {
			t.Errorf("%s: %d files have a name", name, len(left))
		}
		closeAll(t, &b)
	}
}

// A whole body can be one file, but no form. A directory that takes no files is an error that names it.
func TestWholeFile(t *testing.T) {
	post := func(content string, spool Spool) (*Reader, *Refusal) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(content))
		r.Header.Set("Content-Type", "audio/wav")
		r.Header.Set("Content-Disposition", `attachment; filename="a/b.wav"`)
		b := &Reader{}
		_, refused := b.ReadAll(r, 20, Accepts{Whole: true, Spool: spool})
		return b, refused
	}
	for _, content := range []string{"", "1", "123456789", "01234567890123456789"} {
		b, refused := post(content, Spool{Memory: 8, Directory: t.TempDir()})
		if refused != nil || b.Files[0].Size() != int64(len(content)) || b.Files[0].Type != "audio/wav" {
			t.Errorf("%d bytes: got %+v", len(content), refused)
		}
		closeAll(t, b)
	}
	if b, refused := post("123", Spool{Memory: math.MaxInt64}); refused != nil || b.Files[0].Size() != 3 {
		t.Errorf("without a limit of memory: got %+v", refused)
	}
	if _, refused := post(strings.Repeat("x", 21), Spool{Memory: 100}); refused == nil || refused.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %+v", refused)
	}
	form := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("--x--"))
	form.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	_, refused := new(Reader).ReadAll(form, 20, Accepts{Whole: true})
	check.Equal(t, *refused, Refusal{Status: http.StatusUnsupportedMediaType, Message: "The request body must be the file itself, found a form"})
	missing := filepath.Join(t.TempDir(), "missing")
	_, refused = post("123456789", Spool{Memory: 8, Directory: missing})
	if refused == nil || refused.Status != http.StatusServiceUnavailable || !strings.Contains(refused.Err.Error(), missing) {
		t.Errorf("got %+v", refused)
	}
	if err := (Spool{Directory: missing}).Check(); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
}
