package runtime

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
)

// Request is the HTTP request that a function responds to. Its methods are safe
// for concurrent use, also after the response is sent. Those of a nil Request
// return zero values.
type Request struct{ x *exchange }

// RequestFrom returns the request of a function's context, or of a context
// derived from it. In a call in process it is the HTTP request that led to the
// call. Of a batch function, whose batch has several requests, it is nil; use
// batcher.ItemContext to find the request of an item. Nil: there is none.
func RequestFrom(ctx context.Context) *Request {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return &Request{x}
	}
	return nil
}

// Header returns the request's header. It must not be changed.
func (r *Request) Header() http.Header {
	if r == nil {
		return nil
	}
	return r.x.request.Header
}

// Route returns the route as declared, "/models/{name}"; "unmatched" without one.
func (r *Request) Route() string {
	if r == nil {
		return ""
	}
	return r.x.match.route.label
}

// PathValue returns the segment of the path that the wildcard {name} of the
// route matched, unescaped. "": the route has no such wildcard.
func (r *Request) PathValue(name string) string {
	if r == nil {
		return ""
	}
	return r.x.match.value(name)
}

// Peer returns the address of the client's connection, "192.0.2.1:1234".
func (r *Request) Peer() string {
	if r == nil {
		return ""
	}
	return r.x.request.RemoteAddr
}

// ID returns the id of the request: it is in the log and in the header
// X-BentoML-Request-ID of the response.
func (r *Request) ID() string {
	if r == nil {
		return ""
	}
	return r.x.ID()
}

// Logger returns the app's logger with the ids of the request and its trace on
// each line. Without a request in ctx it is [slog.Default].
func Logger(ctx context.Context) *slog.Logger {
	r := RequestFrom(ctx)
	if r == nil {
		return slog.Default()
	}
	log := &r.x.app.log
	return slog.New(log.logger.Handler().WithAttrs(log.conf.now().access.IDs.Attrs(ctx, r.ID())))
}

// Response is what a function sets of its HTTP response beside the body. Its
// methods are safe for concurrent use. They do nothing after the response is
// sent, be it by the timeout, and on a nil Response.
type Response struct {
	mu     sync.Mutex
	closed bool
	status int
	header http.Header
}

// ResponseFrom returns the response of a function's context, or of a context
// derived from it. In a call in process it is the response to the HTTP request
// that led to the call. Nil, which may be used: there is none.
func ResponseFrom(ctx context.Context) *Response {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return &c.response
	}
	return nil
}

// SetStatus sets the status of a successful response, 200 to 399. Default: 200.
// Any other status is ignored: return an [Error] to fail.
func (r *Response) SetStatus(status int) {
	if status >= 200 && status <= 399 {
		r.change(func() { r.status = status })
	}
}

// SetHeader replaces a header. Content-Length, Transfer-Encoding and Connection
// belong to the server: they are ignored. An [Error] is sent with the headers
// that are set, but with a Content-Type of its own.
func (r *Response) SetHeader(name, value string) {
	r.change(func() { r.header.Set(name, value) })
}

// AddHeader adds a value to a header.
func (r *Response) AddHeader(name, value string) {
	r.change(func() { r.header.Add(name, value) })
}

// SetCookie adds a cookie. One that net/http finds invalid is dropped.
func (r *Response) SetCookie(cookie *http.Cookie) {
	if value := cookie.String(); value != "" {
		r.AddHeader("Set-Cookie", value)
	}
}

func (r *Response) change(set func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	set()
}

// close drops what was set and is set from now on.
func (r *Response) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.status, r.header = true, 0, nil
}

// writeTo writes what was set into the header of the response, and returns the
// status. What is set from now on is ignored.
func (r *Response) writeTo(header http.Header) (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for name, values := range r.header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Connection":
		case "Set-Cookie", "Vary":
			header[name] = append(header[name], values...)
		default:
			header[name] = values
		}
	}
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
