package runtime

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/ekiben-serving/ekiben/runtime/internal/cors"
)

// The stages of a request, outermost first:
//
//	match → trace → client → observe → recover → middleware → CORS
//	→ limit of the client (429) → auth (401) → method (405) → start and overload (503)
//	→ deadline of the caller (400, 504) → slot, or the queue (429, 503) → timeout (504)
//	→ body (408, 413, 415, 503) → decode (400) → function → encode
//
// serve matches, the span handler traces, withClient finds the client (clientaddress.go), observe observes
// and recovers, through adds middleware and CORS, guarded limits the client and checks its token
// or password (guard.go), and api.ServeHTTP does the rest. For a mount, mount.ServeHTTP limits
// the handler.

// chain has the stages before the handler of a route.
type chain struct {
	routes  *routes
	spans   http.Handler // nil: no tracing
	handler http.Handler // middleware, CORS, and dispatch

	becoming sync.RWMutex // held while the match of a call over gRPC changes
}

func (a *App) serve(w http.ResponseWriter, r *http.Request, from origin) {
	found := a.chain.routes.match(r, r.URL)
	if from.conn != nil { // a user's server has the pattern of its own mux here
		r.Pattern = found.route.pattern
	}
	switch {
	case found.route.unmeasured:
		leavingBody(w, r, found.route.handler)
	case a.chain.spans == nil:
		a.observe(w, r, found, from)
	default:
		at := &arrival{match: found, origin: from}
		r = r.WithContext(context.WithValue(r.Context(), arrivalKey{}, at))
		r.Pattern = found.route.pattern
		a.chain.spans.ServeHTTP(w, r)
		if at.cut {
			panic(http.ErrAbortHandler) //nolint:forbidigo // as in exchange.end
		}
	}
}

// arrival carries the results of serve through the span handler.
type (
	arrival struct {
		match
		origin
		cut bool // the connection must be cut
	}
	arrivalKey struct{}
)

// observeTraced keeps the panic that cuts the connection from the span handler, which
// would give the span that panic, and no status.
func (a *App) observeTraced(w http.ResponseWriter, r *http.Request) {
	at := r.Context().Value(arrivalKey{}).(*arrival)
	defer func() { at.cut = recover() != nil }() // end lets no other panic pass
	a.observe(w, r, at.match, at.origin)
}

// observe counts a request before any stage can refuse it, and counts its end
// exactly once.
func (a *App) observe(w http.ResponseWriter, r *http.Request, found match, from origin) {
	if a.trusted != nil {
		r = a.withClient(r)
	}
	x := a.newExchange(w, r, found, from)
	x.out.open, x.out.logs = true, a.conf.Now().Access.Enabled
	from.conn.Requests().Add(x)
	found.route.endpoint.Begin(x.start)
	defer x.end()
	if found.route.probe {
		found.route.handler.ServeHTTP(x, r)
	} else {
		a.chain.handler.ServeHTTP(x, r)
	}
	x.returned = true
}

// through puts the middleware of the app around h, and CORS inside of it.
func (a *App) through(h http.Handler) (http.Handler, error) {
	h = cors.Middleware(a.conf.Now().HTTP.CORS)(h)
	if len(a.middleware) == 0 {
		return h, nil
	}
	for i := len(a.middleware) - 1; i >= 0; i-- {
		h = a.middleware[i](h)
		if f, ok := h.(http.HandlerFunc); h == nil || ok && f == nil {
			return nil, fmt.Errorf("App.Use: middleware must return a handler, found nil from the one in place %d", i+1)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // as observe gives it to a route
		x.ownHeader()
		x.keepArrived()
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		r.Pattern = x.match.route.pattern
		h.ServeHTTP(x, r)
	}), nil
}

// dispatch calls the handler of the matched route, if the request passes the guards.
func (a *App) dispatch(w http.ResponseWriter, r *http.Request) {
	x := a.exchangeOf(w, r)
	next := x.match.route.handler
	if x.rpc != nil { // middleware calls it again
		next = x.rpc.method
	}
	if method, ok := next.(*rpc); ok && isCall(r) {
		to := method.writer(w, x)
		a.pass(to, r, method)
		to.end()
		return
	}
	a.pass(w, r, next)
}

func (a *App) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if g := a.guards.Load(); g != nil {
		a.guarded(w, r, g, next)
		return
	}
	next.ServeHTTP(w, r)
}
