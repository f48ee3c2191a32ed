// Package body reads the body of a request, with its codings, forms and files, within limits of
// size and memory. It does not depend on APIs.
package body

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"strings"
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
	bytes.Buffer // the body, decompressed; of a form, the JSON object of its fields

	// Files are the files of the body. In the JSON object of a form, each has its index.
	Files []*File
	// Form reports whether the body was a form.
	Form bool

	limited io.LimitedReader
	counted counted
	share   share
}

// Reset forgets the body. It does not close its files.
func (b *Reader) Reset() {
	b.Buffer.Reset()
	b.Files, b.Form = nil, false
	b.limited.R, b.counted.Reader = nil, nil
}

// Accepts says what a body may be.
type Accepts struct {
	// Forms reports whether a form is accepted. It becomes the JSON object of its fields.
	Forms bool
	// Whole reports whether the body is one file.
	Whole bool
	// IsFile reports whether the field of a name is a file or a list of files. nil: none is.
	IsFile func(name string) bool
	// Spool says where files are kept.
	Spool Spool
	// Budget bounds this body together with all others. Nil: no limit.
	Budget *Budget
}

func (a *Accepts) isFile(name string) bool { return a.IsFile != nil && a.IsFile(name) }

// firstRead bounds the first allocation for a body, in bytes, whatever
// Content-Length says.
const firstRead = 64 << 10

// ReadAll reads the whole body, decompressed, or returns why it is refused. It reads no
// more than limit and one byte, compressed and decompressed, whatever Content-Length
// says. A limit of 0 means no limit. whole reports whether all of the body was read.
func (b *Reader) ReadAll(r *http.Request, limit int64, accepts Accepts) (whole bool, refused *Refusal) {
	if limit > 0 && r.ContentLength > limit {
		return false, TooLarge(limit)
	}
	kind := mediaType(r.Header)
	if refused := checkType(kind, accepts); refused != nil {
		return false, refused
	}
	b.share.budget = accepts.Budget
	if r.Body == nil || r.Body == http.NoBody {
		b.nothing(r.Header, accepts)
		return true, nil
	}
	var from io.Reader = r.Body
	var sent *compressed // nil: the body is not compressed
	if codings := r.Header["Content-Encoding"]; len(codings) > 0 {
		sent = &compressed{ReadCloser: r.Body, left: cmp.Or(limit, math.MaxInt64)}
		decoded, refused := decode(sent, codings)
		switch {
		case sent.tooLarge:
			return false, TooLarge(limit)
		case refused != nil && sent.broken:
			return false, failed(refused.Err)
		case refused != nil:
			return false, refused
		}
		defer decoded.Close() //nolint:errcheck // it returns no error
		from = decoded
	}
	b.counted = counted{from, &b.share}
	accepts.Spool.share = &b.share
	b.limited = io.LimitedReader{R: &b.counted, N: math.MaxInt64}
	if limit > 0 {
		b.limited.N = min(limit, math.MaxInt64-1) + 1
	}
	malformed, err := b.read(r, kind, accepts)
	switch {
	case errors.Is(err, errBudget):
		return false, noRoom()
	case sent != nil && sent.tooLarge, b.limited.N <= 0:
		return false, TooLarge(limit)
	case malformed != nil:
		return err == nil, malformed
	case err != nil && sent != nil && !sent.broken:
		return false, undecoded(r.Header["Content-Encoding"], err)
	case err != nil:
		return false, failed(err)
	case accepts.Whole, b.Form, !isForm(kind, b.Bytes()):
		return true, nil
	case !accepts.Forms:
		return true, form()
	}
	return true, b.urlencoded(accepts)
}

// nothing is the body of a request without one: no file, or an empty one.
func (b *Reader) nothing(header http.Header, accepts Accepts) {
	if accepts.Whole {
		kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
		b.Files = []*File{{Type: kind}}
	}
}

// read reads the limited body into memory, or its files to where accepts says. malformed
// says what is wrong with the content, err why it cannot be read.
func (b *Reader) read(r *http.Request, kind string, accepts Accepts) (malformed *Refusal, err error) {
	switch {
	case accepts.Whole:
		return b.readFile(r.Header, accepts.Spool)
	case strings.EqualFold(kind, multipartForm):
		return b.readParts(r.Header, accepts)
	}
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, firstRead)) + bytes.MinRead)
	}
	_, err = b.ReadFrom(&b.limited)
	return nil, err
}

func failed(err error) *Refusal {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Refusal{Status: http.StatusRequestTimeout, Message: "The request body stopped arriving", Err: err, Unread: true}
	}
	message := "The request body cannot be read: "
	if errors.Is(err, io.ErrUnexpectedEOF) {
		message = "The request body ended early: "
	}
	return &Refusal{Status: http.StatusBadRequest, Message: message + err.Error(), Err: err}
}

// TooLarge is the refusal of a body that exceeds a limit.
func TooLarge(limit int64) *Refusal {
	return &Refusal{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request body must be at most %d bytes", limit), Unread: true}
}
