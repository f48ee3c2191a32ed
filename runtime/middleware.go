package runtime

import (
	"net/http"
	"time"
)

// A request passes
//
//	trace → observe → recover → the user's middleware → method → limit (429)
//	→ timeout (504) → body (413) → decode (400) → the function → encode
//
// traced is the first stage; serve is observe and recover; [Service.Use] put
// the user's middleware in front of api.ServeHTTP, which is the rest.

// ServeHTTP answers a request of somebody else's server or mux.
func (rt *Runtime) ServeHTTP(w http.ResponseWriter, r *http.Request) { rt.handler.ServeHTTP(w, r) }

// serveForeign is serve for a writer that may be anything.
func (rt *Runtime) serveForeign(w http.ResponseWriter, r *http.Request) {
	rt.serve(w, r, connOf(r.Context()), false)
}

// own is the handler of our own server, whose writer is net/http's.
func (rt *Runtime) own() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := connOf(r.Context())
		one.handled()
		if rt.draining.Load() {
			w.Header()["Connection"] = []string{"close"}
		}
		if rt.tracer != nil {
			rt.handler.ServeHTTP(w, r)
			return
		}
		rt.serve(w, r, one, r.ProtoMajor == 1)
	})
}

// serve observes a request: it is counted in before anything can refuse it,
// and counted out, once, whatever happens.
func (rt *Runtime) serve(w http.ResponseWriter, r *http.Request, from *conn, inline bool) {
	route := rt.routes.match(r.URL.Path)
	if route.unmeasured {
		route.handler.ServeHTTP(w, r)
		return
	}
	x := &exchange{ResponseWriter: w, rt: rt, request: r, endpoint: route.endpoint, start: time.Now(), inline: inline}
	if rt.cfg().Logging.AccessLog.Enabled {
		x.logs, x.among = true, from.answering()
		x.among.add(x)
	}
	x.endpoint.begin(x.start)
	defer x.end()
	route.handler.ServeHTTP(x, r)
	x.returned = true
}

// through puts the service's middleware around h, the first outermost, and
// innermost what answers browsers of other origins.
func (rt *Runtime) through(h http.Handler) http.Handler {
	h = crossOrigin(rt.cfg().HTTP.CORS)(h)
	s := rt.entry
	for i := len(s.middleware) - 1; i >= 0; i-- {
		h = s.middleware[i](h)
	}
	return h
}
