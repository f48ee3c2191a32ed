package runtime

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/ekiben-serving/ekiben/runtime/internal/alarm"
)

// scratch has the buffers and the timer of a request, which later requests use
// again. User code never sees it.
type scratch struct {
	body    bytes.Buffer
	out     bytes.Buffer
	timing  string // the header Server-Timing; "": not sent
	alarm   alarm.Alarm
	limited io.LimitedReader // the body
	pool    *scratches
}

// maxKept bounds the buffers that the pool keeps, in bytes: one request of 100 MB
// must not hold that memory for ever.
const maxKept = 1 << 20

func (s *scratch) put() {
	s.timing, s.limited.R = "", nil
	if s.body.Cap() > maxKept || s.out.Cap() > maxKept {
		return
	}
	s.body.Reset()
	s.out.Reset()
	s.pool.pool.Put(s)
}

// work reads the body, runs the function, and always releases the slot. A panic
// becomes an error.
func (c *call) work(s *scratch) (err error) {
	defer c.api.release()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	if err := c.readBody(s); err != nil {
		if isDeadline(c.ctx.Err()) { // which ended the body, see Expire
			return c.timedOut()
		}
		return err
	}
	err = c.api.codec.serve(&c.ctx, s)
	if isDeadline(err) && isDeadline(c.ctx.Err()) {
		return c.timedOut() // the function noticed its deadline before the timer
	}
	return err
}

// timedOut returns the 504 of the call. For the log, it says so if the function never
// began because its client was slow.
func (c *call) timedOut() *Error {
	err := c.api.timeoutError(c.ctx.limit)
	if !c.x.bodyRead.Load() {
		err.Err, err.unread = errBodyMissing, true
	}
	return err
}

// firstRead bounds the first allocation for a body, in bytes, whatever
// Content-Length says.
const firstRead = 64 << 10

// readBody reads the whole body, decompressed, or returns why it is refused. It
// reads no more than max_body_size and one byte, whatever Content-Length says.
func (c *call) readBody(s *scratch) error {
	r, limit := c.r, c.api.service.app.conf.now().HTTP.MaxBodySize
	if limit > 0 && r.ContentLength > limit {
		return tooLarge(limit)
	}
	if err := checkType(r.Header); err != nil {
		return err
	}
	if r.Body == nil || r.Body == http.NoBody {
		c.x.bodyRead.Store(true)
		return nil
	}
	if r.ContentLength > 0 {
		s.body.Grow(int(min(r.ContentLength, firstRead)) + bytes.MinRead)
	}
	var body io.Reader = r.Body
	if encoding := r.Header["Content-Encoding"]; len(encoding) > 0 {
		compressed := r.Body
		if limit > 0 {
			compressed = http.MaxBytesReader(nil, compressed, limit) // nil: given the writer, it would change the response of a timeout
		}
		decoded, err := decompress(compressed, encoding)
		if err != nil {
			return err
		}
		defer decoded.Close() //nolint:errcheck // it returns no error
		body = decoded
	}
	if limit > 0 {
		s.limited = io.LimitedReader{R: body, N: min(limit, math.MaxInt64-1) + 1}
		body = &s.limited
	}
	_, err := s.body.ReadFrom(body)
	c.x.bodyRead.Store(err == nil && (limit == 0 || int64(s.body.Len()) <= limit))
	switch {
	case limit > 0 && int64(s.body.Len()) > limit:
		return tooLarge(limit)
	case err != nil:
		return bodyError(err)
	case isForm(r.Header, s.body.Bytes()):
		return errForm
	}
	return nil
}

func bodyError(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return tooLarge(large.Limit)
	}
	message := "The request body cannot be read: "
	if errors.Is(err, io.ErrUnexpectedEOF) {
		message = "The request body ended early: "
	}
	return &Error{Status: http.StatusBadRequest, Message: message + err.Error(), Err: err}
}

func tooLarge(limit int64) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request body must be at most %d bytes", limit), unread: true}
}

// mostCodings bounds how often a body may be compressed.
const mostCodings = 2

// zstdWindow bounds the memory of a zstd decoder: the window that RFC 8878 asks
// every decoder to support.
const zstdWindow = 8 << 20

// decompress decodes the codings that Content-Encoding lists, the last one first.
func decompress(body io.ReadCloser, encoding []string) (io.ReadCloser, error) {
	var codings []string
	for coding := range strings.SplitSeq(strings.Join(encoding, ","), ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); coding {
		case "", "identity":
		case "gzip", "x-gzip", "zstd":
			codings = append(codings, coding)
		default:
			return nil, Errorf(http.StatusUnsupportedMediaType, "The request body must be sent plain or compressed with gzip or zstd, found Content-Encoding: %s", coding)
		}
	}
	if len(codings) > mostCodings {
		return nil, Errorf(http.StatusUnsupportedMediaType, "The request body must be compressed at most %d times, found %d", mostCodings, len(codings))
	}
	for i := len(codings) - 1; i >= 0; i-- {
		var err error
		if codings[i] == "zstd" {
			body, err = newZstd(body)
		} else {
			body, err = gzip.NewReader(body)
		}
		if err != nil {
			if err := bodyError(err); errors.As(err, new(*http.MaxBytesError)) {
				return nil, err
			}
			return nil, &Error{Status: http.StatusBadRequest, Message: "The request body is not valid " + codings[i] + ": " + err.Error(), Err: err}
		}
	}
	return body, nil
}

func newZstd(body io.Reader) (io.ReadCloser, error) {
	decoder, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}

// checkType refuses bodies that cannot be JSON, before they are read. A body
// labelled as a form may be JSON: curl -d labels it so.
func checkType(header http.Header) error {
	switch {
	case isType(header, "multipart/form-data"):
		return errForm
	case isType(header, "application/vnd.bentoml+pickle"):
		return Errorf(http.StatusUnsupportedMediaType, "The request body must be one JSON object, found Python's pickle")
	}
	return nil
}

var errForm = Errorf(http.StatusUnsupportedMediaType, "The request body must be one JSON object, found a form")

// isForm reports whether a body is labelled as a form and looks like one. A body
// with any other label, or none, is read as JSON, as in BentoML.
func isForm(header http.Header, body []byte) bool {
	return len(body) > 0 && !strings.ContainsRune("{[\" \t\r\n", rune(body[0])) &&
		isType(header, "application/x-www-form-urlencoded")
}

// isType compares the media type without its parameters.
func isType(header http.Header, want string) bool {
	types := header["Content-Type"]
	return len(types) > 0 && len(types[0]) >= len(want) && strings.EqualFold(types[0][:len(want)], want)
}
