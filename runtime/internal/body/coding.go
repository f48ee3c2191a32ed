package body

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// mostCodings bounds how often a body may be compressed.
const mostCodings = 2

// zstdWindow bounds the memory of a zstd decoder: the window that RFC 8878
// requires every decoder to support.
const zstdWindow = 8 << 20

// compressed is a body before it is decompressed. It ends with an error after left
// bytes: a coding may need any number of bytes for no content.
type compressed struct {
	io.ReadCloser
	left     int64
	tooLarge bool
	broken   bool // it cannot be read to its end
}

var errTooLarge = errors.New("the compressed body is too large")

func (c *compressed) Read(p []byte) (int, error) {
	if c.left <= 0 { // one byte more tells a body that ends here from a longer one
		if n, err := io.ReadFull(c.ReadCloser, p[:min(1, len(p))]); n == 0 {
			c.broken = !errors.Is(err, io.EOF)
			return 0, err
		}
		c.tooLarge = true
		return 0, errTooLarge
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.broken = err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// undecoded refuses a body that cannot be decompressed although it can be read. A decoder
// cannot tell a part that is missing from a few other bytes behind the end.
func undecoded(codings []string, err error) *Refusal {
	why := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, zstd.ErrMagicMismatch) {
		why = "its end is missing, or more bytes follow it"
	}
	return &Refusal{Status: http.StatusBadRequest, Message: "The request body is not valid " + strings.Join(codings, ", ") + ": " + why, Err: err}
}

// decode decodes the codings that Content-Encoding lists, the last one first.
func decode(body io.ReadCloser, header []string) (io.ReadCloser, *Refusal) {
	var codings []string
	for coding := range strings.SplitSeq(strings.Join(header, ","), ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); coding {
		case "", "identity":
		case "gzip", "x-gzip", "zstd":
			codings = append(codings, coding)
		default:
			return nil, unsupported("The request body must be sent plain or compressed with gzip or zstd, found Content-Encoding: %s", coding)
		}
	}
	if len(codings) > mostCodings {
		return nil, unsupported("The request body must be compressed at most %d times, found %d", mostCodings, len(codings))
	}
	for i := len(codings) - 1; i >= 0; i-- {
		var err error
		if codings[i] == "zstd" {
			body, err = newZstd(body)
		} else {
			body, err = gzip.NewReader(body)
		}
		if err != nil {
			return nil, &Refusal{Status: http.StatusBadRequest, Message: "The request body is not valid " + codings[i] + ": " + err.Error(), Err: err}
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

func unsupported(format string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusUnsupportedMediaType, Message: fmt.Sprintf(format, args...)}
}
