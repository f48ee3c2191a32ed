package body

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func gzipped(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	check.Must(t, errors.Join(err, w.Close()))
	return b.String()
}

func zstded(t *testing.T, content string) string {
	t.Helper()
	encoder := check.Value(zstd.NewWriter(nil))(t)
	return string(encoder.EncodeAll([]byte(content), nil))
}

// frame is a zstd frame of one empty block that asks for a window.
func frame(window byte) string {
	return "\x28\xb5\x2f\xfd\x00" + string([]byte{window}) + "\x01\x00\x00"
}

// A body is returned decompressed, or refused with a status and whether a part of it was
// left.
func TestReadAll(t *testing.T) {
	const content, limit = `{"text":"hello"}`, 64
	long, large := strings.Repeat("x", limit), "must be at most 64 bytes"
	encoded := func(codings string) http.Header { return http.Header{"Content-Encoding": {codings}} }
	typed := func(kind string) http.Header { return http.Header{"Content-Type": {kind}} }
	for name, c := range map[string]struct {
		header http.Header
		body   string
		want   string // the body, or a part of the message
		status int    // 0: the body is read
	}{
		"plain":                {nil, content, content, 0},
		"nothing":              {nil, "", "", 0},
		"of the limit":         {nil, long, long, 0},
		"above the limit":      {nil, long + "x", large, 413},
		"identity":             {encoded("identity"), content, content, 0},
		"gzip":                 {encoded("gzip"), gzipped(t, content), content, 0},
		"x-gzip":               {encoded(" X-GZIP "), gzipped(t, content), content, 0},
		"zstd":                 {encoded("zstd"), zstded(t, content), content, 0},
		"gzip in zstd":         {encoded("gzip, , zstd"), zstded(t, gzipped(t, "{}")), "{}", 0},
		"gzip of the limit":    {encoded("gzip"), gzipped(t, long), long, 0},
		"gzip above the limit": {encoded("gzip"), gzipped(t, long+"x"), large, 413},
		"zstd above the limit": {encoded("zstd"), zstded(t, long+"x"), large, 413},
		"empty members":        {encoded("gzip"), strings.Repeat(gzipped(t, ""), 4), large, 413},
		"three codings":        {encoded("gzip, gzip, gzip"), "", "at most 2 times, found 3", 415},
		"brotli":               {encoded("gzip, br"), "", "found Content-Encoding: br", 415},
		"not gzip":             {encoded("gzip"), content, "not valid gzip: ", 400},
		"a part of gzip":       {encoded("gzip"), gzipped(t, content)[:20], "not valid gzip: its end is missing", 400},
		"a part of zstd":       {encoded("zstd"), zstded(t, content)[:12], "not valid zstd: its end is missing", 400},
		"a window of 8 MiB":    {encoded("zstd"), frame(0x68), "", 0},
		"a window of 16 MiB":   {encoded("zstd"), frame(0x70), "not valid zstd: window size exceeded", 400},
		"a window of 8 GiB":    {encoded("zstd"), frame(0xb8), "not valid zstd: window size exceeded", 400},
		"a form":               {typed("application/x-www-form-urlencoded"), "a=b", "found a form", 415},
		"JSON as a form":       {typed("application/x-www-form-urlencoded; charset=utf-8"), content, content, 0},
		"a form as JSON":       {typed("application/json"), "a=b", "a=b", 0},
		"files":                {typed("Multipart/Form-Data ; boundary=x"), "", "found a form", 415},
		"pickle":               {typed("application/vnd.bentoml+pickle"), "", "found Python's pickle", 415},
	} {
		for _, length := range []int{len(c.body), -1} { // -1: chunked
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			r.ContentLength, r.Header = int64(length), c.header
			var b Reader
			whole, refused := b.ReadAll(r, limit, Accepts{})
			switch {
			case refused == nil:
				if c.status != 0 || b.String() != c.want || !whole {
					t.Errorf("%s: got %q, whole: %t", name, b.String(), whole)
				}
			case refused.Status != c.status || !strings.Contains(refused.Message, c.want) || refused.Unread != (c.status == http.StatusRequestEntityTooLarge):
				t.Errorf("%s: got %+v", name, refused)
			}
		}
	}
}

// Without a limit every body is read. A reader that is used again forgets the last one.
func TestReaderIsUsedAgain(t *testing.T) {
	var b Reader
	for _, content := range []string{strings.Repeat("x", 3*firstRead), "y"} {
		b.Reset()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(gzipped(t, content)))
		r.Header.Set("Content-Encoding", "gzip")
		if whole, refused := b.ReadAll(r, 0, Accepts{}); refused != nil || !whole || b.String() != content {
			t.Errorf("got %d bytes, %+v", b.Len(), refused)
		}
	}
}

// Content-Length alone can refuse a body, and takes no memory for what does not come. An
// error of the connection is kept for errors.Is.
func TestBrokenBodies(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		status int
		err    error
	}{
		"too large by its header": {iotest.ErrReader(errors.New("was read")), 1 << 40, http.StatusRequestEntityTooLarge, nil},
		"shorter than its header": {io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), 1 << 30, http.StatusBadRequest, io.ErrUnexpectedEOF},
		"gzip that stops":         {io.MultiReader(strings.NewReader("\x1f\x8b\x08"), iotest.ErrReader(os.ErrDeadlineExceeded)), -1, http.StatusRequestTimeout, os.ErrDeadlineExceeded},
		"gzip that is cut":        {io.MultiReader(strings.NewReader("\x1f\x8b\x08"), iotest.ErrReader(io.ErrUnexpectedEOF)), 100, http.StatusBadRequest, io.ErrUnexpectedEOF},
		"broken":                  {iotest.ErrReader(broken), -1, http.StatusBadRequest, broken},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", c.body)
		r.ContentLength = c.length
		if strings.HasPrefix(name, "gzip") {
			r.Header.Set("Content-Encoding", "gzip")
		}
		var b Reader
		whole, refused := b.ReadAll(r, 1<<30, Accepts{})
		if whole || refused == nil || refused.Status != c.status || !errors.Is(refused.Err, c.err) || b.Cap() > 4*firstRead {
			t.Errorf("%s: got %+v, %d bytes of memory", name, refused, b.Cap())
		}
	}
}
