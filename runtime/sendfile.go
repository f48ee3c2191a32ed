package runtime

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// sendFile sends a result that is a file. Its error is why the file was not sent to its end.
func (c *call) sendFile(file File, status int) error {
	header := c.w.Header()
	kind := file.contentType
	if kind == "" {
		kind = mime.TypeByExtension(filepath.Ext(file.name))
	}
	if kind != "" {
		header["Content-Type"] = []string{kind}
	}
	if file.name != "" && header["Content-Disposition"] == nil {
		header["Content-Disposition"] = []string{disposition(file.name, header.Get("Content-Type"))}
	}
	if header["Etag"] == nil {
		header["Etag"] = []string{file.etag()}
	}
	content := &watched{SectionReader: file.Reader()}
	if status == http.StatusOK {
		c.sendRanges(file.modified, content)
	} else {
		c.w.WriteHeader(status)
		_, _ = io.Copy(c.w, content)
	}
	if err := content.failure(); err != nil {
		return fmt.Errorf("file %q: %w", file.name, err)
	}
	return nil
}

// sendRanges sends content, or the parts that the request asks for. It looks at the headers
// Range and If-Range only, as BentoML does.
func (c *call) sendRanges(modified time.Time, content io.ReadSeeker) {
	ranges := &http.Request{Method: http.MethodGet, Header: http.Header{}}
	for _, name := range []string{"Range", "If-Range"} {
		if values := c.r.Header[name]; values != nil {
			ranges.Header[name] = values
		}
	}
	http.ServeContent(c.w, ranges, "", modified, content)
}

// watched remembers why a file cannot be read to its end.
type watched struct {
	*io.SectionReader

	mu  sync.Mutex // of several ranges, a goroutine reads on when the client has left
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.SectionReader.Read(p)
	failure := err
	if err == io.EOF { // a wrapped one is a failure
		failure = nil
		if at, _ := w.Seek(0, io.SeekCurrent); at < w.Size() {
			failure = fmt.Errorf("it has become shorter: %w", io.ErrUnexpectedEOF)
		}
	}
	if failure != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = failure
	}
	return n, err
}

func (w *watched) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// disposition returns the header Content-Disposition as BentoML sends it: a browser shows
// images and saves other files.
func disposition(name, contentType string) string {
	how := "attachment"
	if strings.HasPrefix(contentType, "image/") {
		how = "inline"
	}
	if quoted := url.PathEscape(name); quoted != name {
		return how + "; filename*=utf-8''" + quoted
	}
	return how + `; filename="` + name + `"`
}

// etag is made of the time and size of a file on disk, else of the content.
func (f File) etag() string {
	if !f.modified.IsZero() {
		return fmt.Sprintf(`"%x-%x"`, f.modified.UnixNano(), f.size)
	}
	sum := fnv.New128a()
	_, _ = io.Copy(sum, f.Reader())
	return `"` + hex.EncodeToString(sum.Sum(nil)) + `"`
}
