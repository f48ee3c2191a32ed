package runtime

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// Response sets the status, headers and cookies of a function's HTTP response. Its
// methods are safe for concurrent use. They have no effect on a nil Response, or
// after the response was sent, which may be the 504 of a timeout. A status, cookie,
// header name or header value that is not allowed turns a successful response into a
// 500, and the log names it. A value has no control characters except tabs.
type Response struct {
	mu      sync.Mutex
	closed  bool
	status  int
	changes []headerChange
	err     error // the first value that is not allowed
}

type headerChange struct {
	name, value string // name in canonical form
	apply       func(h http.Header, name, value string)
}

// ResponseFrom returns the response of a function's context, or of a context
// derived from it. In a call in process, it is the response to the HTTP request
// that led to the call. Without a response, as in middleware, which has a
// ResponseWriter, it returns nil, whose methods have no effect.
func ResponseFrom(ctx context.Context) *Response {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return &c.response
	}
	return nil
}

// SetStatus sets the status with which the result is sent, 200 to 599. Default: 200.
// With 204, 205 and 304 the result is not sent. Any other status is not allowed. To send
// an error as {"error": "…"} instead of a result, return an [Error].
func (r *Response) SetStatus(status int) {
	if status < 200 || status > 599 {
		r.refuse(fmt.Errorf("SetStatus(%d): the status must be 200 to 599", status))
		return
	}
	r.change(func() { r.status = status })
}

// SetHeader replaces a header, also one that middleware has set. Content-Length,
// Transfer-Encoding, Connection, Keep-Alive, Upgrade, Trailer and X-BentoML-Request-ID
// are ignored, because the server sets them.
//
// If the function fails, its headers are sent with the error, except those about the
// result that is not sent: Accept-Ranges, ETag, Last-Modified, digests and all
// Content- headers that describe a body. Content-Type is application/json, and
// Content-Range is sent with 416. Cache-Control and Expires are sent with an [Error], and
// not with a 500 without details or a 504.
func (r *Response) SetHeader(name, value string) {
	r.changeHeader(name, value, http.Header.Set)
}

// AddHeader adds a value to a header, also to one that middleware has set. It
// ignores the same headers as [Response.SetHeader].
func (r *Response) AddHeader(name, value string) {
	r.changeHeader(name, value, http.Header.Add)
}

// SetCookie adds a cookie, for which [http.Cookie.Valid] must return nil.
func (r *Response) SetCookie(cookie *http.Cookie) {
	if err := cookie.Valid(); err != nil {
		r.refuse(fmt.Errorf("SetCookie: %w", err))
		return
	}
	r.AddHeader("Set-Cookie", cookie.String())
}

func (r *Response) changeHeader(name, value string, change func(h http.Header, name, value string)) {
	switch known := http.CanonicalHeaderKey(name); {
	case slices.Contains([]string{"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer"}, known):
	case !httpguts.ValidHeaderFieldName(name):
		r.refuse(fmt.Errorf("%q is not a name that a header can have", name))
	case !httpguts.ValidHeaderFieldValue(value):
		r.refuse(fmt.Errorf("header %s: the value must not have control characters except tabs, found %q", known, value))
	default:
		r.change(func() { r.changes = append(r.changes, headerChange{known, value, change}) })
	}
}

func (r *Response) refuse(err error) {
	r.change(func() { r.err = cmp.Or(r.err, err) })
}

func (r *Response) change(set func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		set()
	}
}

// close drops the changes made so far. Later changes are ignored.
func (r *Response) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.status, r.changes = true, 0, nil
}

// writeTo applies the changes to header and returns the status. If the function set a
// value that is not allowed, it returns an error instead. Later changes are ignored.
func (r *Response) writeTo(header http.Header) (status int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed = true; r.err != nil {
		return 0, r.err
	}
	for _, c := range r.changes {
		c.apply(header, c.name, c.value)
	}
	r.changes = nil
	return cmp.Or(r.status, http.StatusOK), nil
}

// dropAboutResult drops the headers about a result that is sent as something else.
func (r *Response) dropAboutResult() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = slices.DeleteFunc(r.changes, func(c headerChange) bool {
		return c.name == "Content-Type" || c.name == "Content-Range" || isAboutResult(c.name)
	})
}

// isAboutResult reports whether a header describes the bytes of a result.
func isAboutResult(name string) bool {
	switch name {
	case "Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location", "Content-Md5",
		"Digest", "Etag", "Last-Modified", "Repr-Digest":
		return true
	}
	return false
}

// writeErrorTo applies the changes that are not about the result to the header of an
// error. unexpected: the function did not choose the error. Later changes are ignored.
func (r *Response) writeErrorTo(header http.Header, status int, unexpected bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.changes {
		if isAboutResult(c.name) {
			continue
		}
		switch c.name {
		case "Content-Range":
			if status != http.StatusRequestedRangeNotSatisfiable {
				continue
			}
		case "Cache-Control", "Expires":
			if unexpected {
				continue
			}
		}
		c.apply(header, c.name, c.value)
	}
	r.closed, r.changes = true, nil
}
