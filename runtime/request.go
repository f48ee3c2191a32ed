package runtime

import (
	"context"
	"net/http"
)

// Request is the HTTP request that a function responds to. Its methods are safe
// for concurrent use, also after the response is sent. Those of a nil Request
// return zero values.
type Request struct {
	x *exchange
	r *http.Request // as middleware passed it on
}

// RequestFrom returns the request of a function's context, or of a context derived
// from it. In a call in process, it is the HTTP request that led to the call.
// Without a request it returns nil. A batch function has several requests, so it
// gets nil; use batcher.ItemContext to find the request of an item.
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

// Route returns the route as declared, such as "/models/{name}", or "unmatched".
func (r *Request) Route() string {
	if r == nil {
		return ""
	}
	found := r.x.matched()
	return found.route.label
}

// PathValue returns the unescaped segment that the wildcard {name} of the route
// matched, or "" if the route has no such wildcard.
func (r *Request) PathValue(name string) string {
	if r == nil {
		return ""
	}
	found := r.x.matched()
	return found.value(name)
}

// LastEventID returns the id of the last event that the client got before it lost its
// connection, or "" if it connects for the first time.
func (r *Request) LastEventID() string { return r.Header().Get("Last-Event-ID") }

// Peer returns the address of the client, "192.0.2.1:1234": that of its connection, the one that
// proxies of http.trusted_proxies tell, with the port 0 if they tell none, or the one that
// middleware set.
func (r *Request) Peer() string {
	if r == nil {
		return ""
	}
	return r.r.RemoteAddr
}

// ID returns the id of the request. The log and the response header
// X-BentoML-Request-ID have the same id, unless middleware replaces the context of the
// request and wraps the ResponseWriter without a method Unwrap.
func (r *Request) ID() string {
	if r == nil {
		return ""
	}
	return r.x.id[0]
}

// TaskID returns the id of the task that a function runs as. It is the same in each run of
// the task. If the function was called directly, TaskID returns "".
func TaskID(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.task
	}
	return ""
}
