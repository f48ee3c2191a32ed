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
type Request struct {
	x *exchange
	r *http.Request // as middleware passed it on
}

// RequestFrom returns the request of a function's context, or of a context
// derived from it. In a call in process it is the HTTP request that led to the
// call. In a batch function it is nil, because a batch has several requests; use
// batcher.ItemContext to find the request of an item. Nil: there is none.
func RequestFrom(ctx context.Context) *Request {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return &Request{c.x, c.r}
	}
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok { // in middleware
		return &Request{x, x.request}
	}
	return nil
}

// Header returns the request's header, as middleware passed it on. It must not be
// changed.
func (r *Request) Header() http.Header {
	if r == nil {
		return nil
	}
	return r.r.Header
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

// Peer returns the address of the client's connection, "192.0.2.1:1234", or the one
// that middleware set.
func (r *Request) Peer() string {
	if r == nil {
		return ""
	}
	return r.r.RemoteAddr
}

// ID returns the id of the request: it is in the log and in the header
// X-BentoML-Request-ID of the response.
func (r *Request) ID() string {
	if r == nil {
		return ""
	}
	return r.x.id[0]
}

// Logger returns the app's logger. Each line has the ids of the request and its
// trace; in a batch function, of the batch's span. Outside of an app's functions it
// is [slog.Default].
func Logger(ctx context.Context) *slog.Logger {
	r := RequestFrom(ctx)
	app, _ := ctx.Value(appKey{}).(*App)
	if r != nil {
		app = r.x.app
	}
	if app == nil {
		return slog.Default()
	}
	return slog.New(app.log.logger.Handler().WithAttrs(app.conf.now().access.IDs.Attrs(ctx, r.ID())))
}

// appKey finds the app of a batch function's context.
type appKey struct{}

// Response is what a function sets of its HTTP response beside the body. Its
// methods are safe for concurrent use. They do nothing on a nil Response, or after
// the response was sent, even if the timeout sent it.
type Response struct {
	mu      sync.Mutex
	closed  bool
	status  int
	changes []func(http.Header)
}

// ResponseFrom returns the response of a function's context, or of a context
// derived from it. In a call in process it is the response to the HTTP request
// that led to the call. It returns nil if there is none; the methods of nil are
// safe.
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

// SetHeader replaces a header, also one that middleware has set. Content-Length,
// Transfer-Encoding and Connection belong to the server: they are ignored. An
// [Error] is sent with the headers that are set, but with a Content-Type of its
// own.
func (r *Response) SetHeader(name, value string) {
	r.changeHeader(name, func(h http.Header) { h.Set(name, value) })
}

// AddHeader adds a value to a header, to those of middleware too.
func (r *Response) AddHeader(name, value string) {
	r.changeHeader(name, func(h http.Header) { h.Add(name, value) })
}

// SetCookie adds a cookie. One that net/http finds invalid is dropped.
func (r *Response) SetCookie(cookie *http.Cookie) {
	if value := cookie.String(); value != "" {
		r.AddHeader("Set-Cookie", value)
	}
}

func (r *Response) changeHeader(name string, change func(http.Header)) {
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Connection":
	default:
		r.change(func() { r.changes = append(r.changes, change) })
	}
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

// close drops what was set and is set from now on.
func (r *Response) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.status, r.changes = true, 0, nil
}

// writeTo writes what was set into the header of the response, and returns the
// status. What is set from now on is ignored.
func (r *Response) writeTo(header http.Header) (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, change := range r.changes {
		change(header)
	}
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
