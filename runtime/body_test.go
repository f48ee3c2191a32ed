package runtime_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func gzipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(body))
	_ = w.Close()
	return b.String()
}

func zstded(body string) string {
	encoder, _ := zstd.NewWriter(nil)
	defer encoder.Close()
	return string(encoder.EncodeAll([]byte(body), nil))
}

func limited(limit int64) runtime.Option {
	return settings(func(c *config.Config) { c.HTTP.MaxBodySize = limit })
}

// A form has no fields to fill if the body is the whole input.
func TestFormWithoutParameters(t *testing.T) {
	app := newApp("Root")
	runtime.Handle(app, "root", func(_ context.Context, in string) (string, error) { return in, nil })
	s := direct(t, app)
	const refused = `{"error":"The request body must be the input itself, found a form"}`
	s.do("POST", "/root", "a=b", "Content-Type", "application/x-www-form-urlencoded").want(t, 415, refused)
	s.do("POST", "/root", "--x--", "Content-Type", "multipart/form-data; boundary=x").want(t, 415, refused)
}

const (
	helloBody     = `{"text":"hello"}`
	tooLarge      = `{"error":"The request body must be at most 64 bytes"}`
	unknownCoding = `{"error":"The request body must be sent plain or compressed with gzip or zstd, found Content-Encoding: br"}`
	urlencoded    = "application/x-www-form-urlencoded"
	multipart     = "multipart/form-data; boundary=x"
)

var longBody = `{"text":"` + strings.Repeat("x", 100) + `"}`

func formPart(name, value string) string {
	return "--x\r\nContent-Disposition: form-data; name=" + name + "\r\n\r\n" + value + "\r\n"
}

func cutBody(coding string) string {
	return `{"error":"The request body is not valid ` + coding + `: its end is missing, or more bytes follow it"}`
}

// sentBodies are bodies and the responses to them, by the header with which they are sent.
var sentBodies = map[string][]struct {
	name, value, body string
	status            int
	want              string
}{
	"Content-Type": {
		{"plain", "application/json", helloBody, 200, "HELLO"},
		{"too large", "application/json", longBody, 413, tooLarge},
		{"exactly the limit", "application/json", helloBody + strings.Repeat(" ", 64-len(helloBody)), 200, "HELLO"},
		{"one byte more", "application/json", helloBody + strings.Repeat(" ", 65-len(helloBody)), 413, tooLarge},
		{"form", urlencoded, "text=a+b&other=1&text=c%26d", 200, "C&D"},
		{"form, a value that is JSON", urlencoded, `text="x"`, 200, "X"},
		{"form, another type", urlencoded, "text=4", 400, `{"error":"1 validation error for Input","detail":[{"type":"string_type","loc":["text"],"msg":"Input should be a valid string"}]}`},
		{"form, bad escape", urlencoded, "text=%zz", 400, `{"error":"The form cannot be read: invalid URL escape \"%zz\""}`},
		{"form, not UTF-8", urlencoded, "text=%ff", 400, `{"error":"The form cannot be read: field \"text\" is not UTF-8"}`},
		{"multipart", multipart, formPart("text", "a b") + "--x--\r\n", 200, "A B"},
		{"multipart without fields", multipart, "--x--\r\n", 200, "HELLO"},
		{"multipart, cut off", multipart, formPart("text", "a"), 400, `{"error":"The form cannot be read: part 1, field \"text\": unexpected EOF"}`},
		{"multipart without a boundary", "multipart/form-data", formPart("text", "a"), 400, `{"error":"The form cannot be read: Content-Type must have the parameter \"boundary\""}`},
		{"multipart, part without a name", multipart, "--x\r\nA: b\r\n\r\nc\r\n--x--", 400, `{"error":"The form cannot be read: part 1: Content-Disposition must be form-data with a name, found \"\""}`},
		{"JSON labelled a form", urlencoded, helloBody, 200, "HELLO"},
		{"JSON labelled text", "text/plain", helloBody, 200, "HELLO"},
		{"pickle", "application/vnd.bentoml+pickle", helloBody, 415, `{"error":"The request body must be JSON, found Python's pickle"}`},
		{"pickle with a parameter", "Application/vnd.BentoML+pickle; v=1", helloBody, 415, `{"error":"The request body must be JSON, found Python's pickle"}`},
		{"a type that begins as pickle's", "application/vnd.bentoml+picklex", helloBody, 200, "HELLO"},
		{"a type that begins as a form's", "multipart/form-datax", helloBody, 200, "HELLO"},
	},
	"Content-Encoding": {
		{"gzip", "gzip", gzipped(helloBody), 200, "HELLO"},
		{"x-gzip", "x-gzip", gzipped(helloBody), 200, "HELLO"},
		{"GZIP", "GZIP", gzipped(helloBody), 200, "HELLO"},
		{"zstd", "zstd", zstded(helloBody), 200, "HELLO"},
		{"gzip in zstd", "gzip, zstd", zstded(gzipped("{}")), 200, "HELLO"},
		{"zstd in gzip", "identity, zstd, ,gzip", gzipped(zstded("{}")), 200, "HELLO"},
		{"two gzip members", "gzip", gzipped(`{"text":`) + gzipped(`"a"}`), 200, "A"},
		{"two zstd frames", "zstd", zstded(`{"text":`) + zstded(`"a"}`), 200, "A"},
		{"no coding", "", helloBody, 200, "HELLO"},
		{"identity", "Identity", helloBody, 200, "HELLO"},
		{"unknown", "br", helloBody, 415, unknownCoding},
		{"unknown below", "br, gzip", gzipped(helloBody), 415, unknownCoding},
		{"not gzip", "gzip", helloBody, 400, `{"error":"The request body is not valid gzip: gzip: invalid header"}`},
		{"truncated gzip", "gzip", gzipped(helloBody)[:20], 400, cutBody("gzip")},
		{"junk after gzip", "gzip", gzipped(helloBody) + "junk", 400, cutBody("gzip")},
		{"much junk after gzip", "gzip", gzipped(helloBody) + strings.Repeat("j", 15), 400, cutBody("gzip")},
		{"junk after zstd", "zstd", zstded(helloBody) + "j", 400, cutBody("zstd")},
		{"much junk after zstd", "zstd", zstded(helloBody) + strings.Repeat("j", 15), 400, cutBody("zstd")},
		{"truncated zstd", "zstd", zstded(helloBody)[:12], 400, cutBody("zstd")},
		{"junk between", "gzip, zstd", zstded(gzipped(helloBody) + "junk"), 400, cutBody("gzip, zstd")},
		{"bad checksum", "gzip", gzipped(helloBody)[:len(gzipped(helloBody))-8] + "12345678", 400, `{"error":"The request body is not valid gzip: gzip: invalid checksum"}`},
		{"too large inside", "gzip", gzipped(longBody), 413, tooLarge},
		{"too large inside zstd", "zstd", zstded(longBody), 413, tooLarge},
		{"too large header of gzip", "gzip", "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff" + strings.Repeat("n", 100) + "\x00", 413, tooLarge},
		{"too many empty members", "gzip", strings.Repeat(gzipped(""), 4), 413, tooLarge},
		{"too many skippable frames", "zstd", strings.Repeat("\x50\x2a\x4d\x18\x02\x00\x00\x00xx", 8), 413, tooLarge},
		{"a skippable frame of the limit", "zstd", "\x50\x2a\x4d\x18" + string([]byte{byte(64 - 8 - len(zstded(helloBody))), 0, 0, 0}) + strings.Repeat("x", 64-8-len(zstded(helloBody))) + zstded(helloBody), 200, "HELLO"},
		{"compressed twice, too large between", "gzip, gzip", gzipped(gzipped(longBody)), 413, tooLarge},
	},
}

// Which bodies are read, and how.
func TestBodies(t *testing.T) {
	s := direct(t, newEcho(limited(64)))
	for header, bodies := range sentBodies {
		for _, test := range bodies {
			for length, known := range map[string]bool{"known": true, "chunked": false} {
				t.Run(test.name+", "+length, func(t *testing.T) {
					r := httptest.NewRequest("POST", "http://direct/echo", strings.NewReader(test.body))
					r.RequestURI = ""
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set(header, test.value)
					if !known {
						r.ContentLength = -1
					}
					response := check.Value(s.http.Do(r))(t)
					answer{response.StatusCode, response.Header, readAll(t, response)}.want(t, test.status, test.want)
				})
			}
		}
	}
}

func TestCodingsAreBounded(t *testing.T) {
	s := direct(t, newEcho())
	s.do("POST", "/echo", gzipped(gzipped(gzipped("{}"))), "Content-Encoding", "gzip, gzip, gzip").
		want(t, 415, `{"error":"The request body must be compressed at most 2 times, found 3"}`)
	if got := s.do("POST", "/echo", zstded(`{"text":"hello"}`)[:12], "Content-Encoding", "zstd"); got.status != 400 || !strings.HasPrefix(got.body, `{"error":"The request body is not valid zstd: its end is missing`) {
		t.Errorf("got %+v", got)
	}
	if got := s.do("POST", "/echo", "{}", "Content-Encoding", "zstd"); got.status != 400 {
		t.Errorf("got %+v", got)
	}
}

// endless is a body that counts how many bytes are read.
type endless struct {
	read, left int64
	repeated   string // "": spaces
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	for i := range p[:n] {
		p[i] = ' '
		if e.repeated != "" {
			p[i] = e.repeated[(e.read+int64(i))%int64(len(e.repeated))]
		}
	}
	e.read += n
	e.left -= n
	return int(n), nil
}

func (e *endless) Close() error { return nil }

// At most the limit and one byte is read, whatever Content-Length says, also if
// middleware replaces the body.
func TestBodiesAreReadToTheLimit(t *testing.T) {
	const limit = 1000
	replaced := newEcho(limited(limit))
	replaced.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Body = struct{ io.ReadCloser }{r.Body} // like middleware that decompresses and keeps Content-Length
		next.ServeHTTP(w, r)
	}))
	empty := gzipped("")
	body := &endless{left: 30 << 20, repeated: empty}
	r := httptest.NewRequest("POST", "/echo", body)
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	handler(t, newEcho(limited(limit))).ServeHTTP(w, r)
	if w.Code != 413 || body.read > limit+1 {
		t.Errorf("empty members of gzip: %d after %d bytes", w.Code, body.read)
	}
	for name, h := range map[string]http.Handler{"handler": handler(t, newEcho(limited(limit))), "replaced": handler(t, replaced)} {
		for _, claimed := range []int64{0, 10, limit, -1} {
			body := &endless{left: 30 << 20}
			r := httptest.NewRequest("POST", "/echo", body)
			r.ContentLength = claimed
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 413 || body.read > limit+1 {
				t.Errorf("%s, Content-Length %d: %d after %d bytes", name, claimed, w.Code, body.read)
			}
		}
	}
}

// With a limit near the largest number, or no limit, the whole body is read.
func TestLargestLimit(t *testing.T) {
	for _, limit := range []int64{math.MaxInt64, math.MaxInt64 - 1, 0} {
		s := serve(t, newEcho(limited(limit)))
		r, _ := http.NewRequest("POST", s.url+"/echo", struct{ io.Reader }{strings.NewReader(`{"text":"chunked"}`)})
		response := check.Value(s.http.Do(r))(t)
		answer{response.StatusCode, nil, readAll(t, response)}.want(t, 200, "CHUNKED")
	}
}

// A small body that decompresses to a large one needs no more memory than the limit.
func TestBombs(t *testing.T) {
	const limit, size = 1 << 20, 64 << 20
	h := handler(t, newEcho(limited(limit)))
	bombs := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			encoder, _ := zstd.NewWriter(w, zstd.WithWindowSize(8<<20))
			return encoder
		},
	}
	for coding, newWriter := range bombs {
		var bomb bytes.Buffer
		w := newWriter(&bomb)
		if _, err := io.Copy(w, &endless{left: size}); err != nil {
			t.Fatal(err)
		}
		check.Must(t, w.Close())
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		r := httptest.NewRequest("POST", "/echo", &bomb)
		r.Header.Set("Content-Encoding", coding)
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		goruntime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; recorder.Code != 413 || allocated > 40<<20 {
			t.Errorf("%s of %d bytes: %d, %d MiB allocated", coding, bomb.Len(), recorder.Code, allocated>>20)
		}
	}
	// A frame may ask for a window that is larger than all of its content.
	for window, status := range map[byte]int{0x68: 200, 0x70: 400, 0xb8: 400} { // 8 MiB, 16 MiB, 8 GiB
		r := httptest.NewRequest("POST", "/echo", strings.NewReader("\x28\xb5\x2f\xfd\x00"+string([]byte{window})+"\x01\x00\x00"))
		r.Header.Set("Content-Encoding", "zstd")
		recorder := httptest.NewRecorder()
		if h.ServeHTTP(recorder, r); recorder.Code != status {
			t.Errorf("window %#x: got %d %s", window, recorder.Code, recorder.Body)
		}
	}
}

// A body that ends before its Content-Length is an error.
func TestTruncatedBodies(t *testing.T) {
	entered := false
	app := newApp("Reader", traffic(time.Minute, 0))
	runtime.Handle(app, "read", func(context.Context, text) (string, error) {
		entered = true
		return "", nil
	})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/read", io.MultiReader(strings.NewReader("{}"), failing{}))
	r.ContentLength = 10
	handler(t, app).ServeHTTP(w, r)
	answer{w.Code, nil, w.Body.String()}.want(t, 400, `{"error":"The request body ended early: unexpected EOF"}`)
	w = httptest.NewRecorder()
	r = httptest.NewRequest("POST", "/read", io.MultiReader(strings.NewReader(gzipped("{}")[:15]), failing{}))
	r.Header.Set("Content-Encoding", "gzip")
	handler(t, app).ServeHTTP(w, r)
	answer{w.Code, nil, w.Body.String()}.want(t, 400, `{"error":"The request body ended early: unexpected EOF"}`)
	if entered {
		t.Error("the function was called")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A body that is too slow ends with the timeout, which is what is logged.
func TestLogOfASlowBody(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" {
			return
		}
		log, logger := textLog(slog.LevelInfo)
		s := host.start(t, newEcho(traffic(time.Second, 0), logger))
		body, end := io.Pipe()
		r, _ := http.NewRequest("POST", s.url+"/echo", body)
		if response, err := s.http.Do(r); err == nil {
			_ = response.Body.Close()
		}
		_ = end.Close()
		synctest.Wait()
		if !strings.Contains(log.String(), "Not able to process the request in 1 seconds: the request body had not arrived") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("logged %s", log.String())
		}
	})
}

// The buffers of requests that have ended are free, although the timer of a request
// runs on to its timeout.
func TestBuffersAreFreed(t *testing.T) {
	s := serve(t, newEcho(traffic(time.Hour, 0)))
	large := `{"text":"` + strings.Repeat("x", 4<<20) + `"}`
	for range 20 {
		if got := s.post("/echo", large); got.status != 200 {
			t.Fatal(got.status)
		}
	}
	var m goruntime.MemStats
	for range 4 { // a pool gives its content away in two
		goruntime.GC()
	}
	if goruntime.ReadMemStats(&m); m.HeapAlloc > 60<<20 {
		t.Errorf("%d MiB are in use after 20 requests of 4 MiB", m.HeapAlloc>>20)
	}
}

// A request whose body exceeds the limit at the moment of the timeout gets one whole
// response, for the limit or the timeout.
func TestBodyLimitAtTheDeadline(t *testing.T) {
	const timeout = 5 * time.Millisecond
	s := serve(t, newEcho(settings(func(c *config.Config) { c.Traffic.Timeout, c.HTTP.MaxBodySize = timeout, 4<<10 })))
	for range 50 {
		body, end := io.Pipe()
		go func() {
			_, _ = end.Write(make([]byte, 4<<10))
			time.Sleep(timeout)
			_, _ = end.Write(make([]byte, 4<<10))
			_ = end.Close()
		}()
		res, err := s.http.Post(s.url+"/echo", "application/json", body)
		_ = body.Close()
		if err != nil {
			continue // the connection was closed while the body was sent
		}
		if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 413 && res.StatusCode != 504 && res.StatusCode != 400 {
			t.Errorf("got %d, %v", res.StatusCode, err)
		}
		_ = res.Body.Close()
	}
}
