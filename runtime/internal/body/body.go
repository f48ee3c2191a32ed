// Package body reads the body of a request: its size, its codings and its media type.
// It does not depend on APIs.
package body

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// Refusal says why a body is not read. Message is for the client.
type Refusal struct {
	Status  int
	Message string
	Err     error // for errors.Is; nil: none
	Unread  bool  // a part of the body was left
}

// Reader reads one body after the other.
type Reader struct {
	bytes.Buffer // the body, decompressed

	limited io.LimitedReader
}

// Reset forgets the body.
func (b *Reader) Reset() {
	b.Buffer.Reset()
	b.limited.R = nil
}

// firstRead bounds the first allocation for a body, in bytes, whatever
// Content-Length says.
const firstRead = 64 << 10

// ReadAll reads the whole body, decompressed, or returns why it is refused. It reads no
// more than limit and one byte, compressed and decompressed, whatever Content-Length
// says. A limit of 0 means no limit. If forms is true, a form becomes the JSON object of
// its fields, else it is refused. whole reports whether all of the body was read.
func (b *Reader) ReadAll(r *http.Request, limit int64, forms bool) (whole bool, refused *Refusal) {
	if limit > 0 && r.ContentLength > limit {
		return false, tooLarge(limit)
	}
	if refused := checkType(r.Header, forms); refused != nil {
		return false, refused
	}
	if r.Body == nil || r.Body == http.NoBody {
		return true, nil
	}
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, firstRead)) + bytes.MinRead)
	}
	var from io.Reader = r.Body
	var sent *compressed // nil: the body is not compressed
	if codings := r.Header["Content-Encoding"]; len(codings) > 0 {
		sent = &compressed{ReadCloser: r.Body, left: cmp.Or(limit, math.MaxInt64)}
		decoded, refused := decode(sent, codings)
		switch {
		case sent.tooLarge:
			return false, tooLarge(limit)
		case refused != nil:
			return false, refused
		}
		defer decoded.Close() //nolint:errcheck // it returns no error
		from = decoded
	}
	if limit > 0 {
		b.limited = io.LimitedReader{R: from, N: min(limit, math.MaxInt64-1) + 1}
		from = &b.limited
	}
	_, err := b.ReadFrom(from)
	switch {
	case sent != nil && sent.tooLarge, limit > 0 && int64(b.Len()) > limit:
		return false, tooLarge(limit)
	case err != nil && sent != nil && !sent.broken:
		return false, undecoded(r.Header["Content-Encoding"], err)
	case err != nil:
		return false, failed(err)
	case !isForm(r.Header, b.Bytes()):
		return true, nil
	case !forms:
		return true, form()
	}
	return true, b.fields(r.Header)
}

func failed(err error) *Refusal {
	message := "The request body cannot be read: "
	if errors.Is(err, io.ErrUnexpectedEOF) {
		message = "The request body ended early: "
	}
	return &Refusal{Status: http.StatusBadRequest, Message: message + err.Error(), Err: err}
}

func tooLarge(limit int64) *Refusal {
	return &Refusal{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request body must be at most %d bytes", limit), Unread: true}
}
