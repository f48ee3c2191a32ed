package runtime

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// route is what a path leads to.
type route struct {
	label      string // the metrics label endpoint
	endpoint   *endpoint
	handler    http.Handler
	unmeasured bool
}

// routes is the table of an app: exact paths, as BentoML's. It is a map and not
// a ServeMux because a mux answers wrong methods and unclean paths by itself,
// where nothing could count them.
type routes struct {
	prefix    string
	exact     map[string]*route
	unmatched *route
	slash     *route
	bare      *route // of the prefix alone; nil: there is no page to lead to
}

func newRoutes(rt *Runtime) (*routes, error) {
	t := &routes{prefix: rt.cfg().HTTP.PathPrefix, exact: map[string]*route{}}
	for _, a := range rt.entry.apis {
		t.exact[a.route] = &route{label: a.route, endpoint: a.endpoint, handler: rt.through(a)}
	}
	if rt.exporter != nil {
		t.exact["/metrics"] = &route{label: "/metrics", handler: rt.exporter, unmeasured: true}
	} else {
		t.exact["/metrics"] = &route{label: "/metrics", handler: notFound, unmeasured: true}
	}
	schema, docs, err := documents(rt)
	if err != nil {
		return nil, err
	}
	home, err := rt.home()
	if err != nil {
		return nil, err
	}
	own := map[string]http.Handler{
		"/healthz":     probe(),
		"/livez":       probe(),
		"/readyz":      rt.readiness(),
		"/schema.json": rt.through(document("application/json", schema)),
		"/docs.json":   rt.through(document("application/json", docs)),
		"/":            rt.through(home),
	}
	if err := rt.assets(own); err != nil {
		return nil, err
	}
	for label, handler := range own {
		t.exact[label] = &route{label: label, handler: handler}
		if err := rt.measureRoute(t.exact[label]); err != nil {
			return nil, err
		}
	}
	t.unmatched = &route{label: unmatched, handler: rt.through(notFound)}
	t.slash = &route{label: unmatched, handler: rt.through(http.HandlerFunc(withoutSlash))}
	err = rt.measureRoute(t.unmatched)
	t.slash.endpoint = t.unmatched.endpoint
	if rt.cfg().HTTP.Page {
		t.bare = &route{label: unmatched, endpoint: t.unmatched.endpoint, handler: rt.through(http.HandlerFunc(withSlash))}
	}
	return t, err
}

// measureRoute gives a route its series under the entry service.
func (rt *Runtime) measureRoute(r *route) (err error) {
	if rt.telemetry != nil {
		r.endpoint, err = rt.telemetry.services[0].endpoint(rt.telemetry, r.label)
	}
	return err
}

// match finds the route of a path. Like BentoML it redirects a trailing slash
// to the route without it; the prefix alone has it redirect to the page.
func (t *routes) match(path string) *route {
	if t.prefix != "" {
		below, ok := strings.CutPrefix(path, t.prefix)
		if !ok {
			return t.unmatched
		}
		if below == "" && t.bare != nil {
			return t.bare
		}
		path = below
	}
	if found, ok := t.exact[path]; ok {
		return found
	}
	if trimmed, ok := strings.CutSuffix(path, "/"); ok && t.exact[trimmed] != nil {
		return t.slash
	}
	return t.unmatched
}

var notFound = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	writePlain(w, http.StatusNotFound, "Not Found")
})

// withoutSlash redirects relatively, because somebody may have mounted us under
// a path that we do not know.
func withoutSlash(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "../"+path.Base(r.URL.EscapedPath()))
}

// withSlash redirects who reads as withoutSlash does. The dot keeps what precedes
// a colon from being a scheme.
func withSlash(w http.ResponseWriter, r *http.Request) {
	if !reads(r) {
		notFound(w, r)
		return
	}
	redirect(w, r, "./"+path.Base(r.URL.EscapedPath())+"/")
}

func redirect(w http.ResponseWriter, r *http.Request, target string) {
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// readOnly answers 405 to everything but GET and HEAD.
func readOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(r) {
			w.Header().Set("Allow", "GET, HEAD")
			writePlain(w, http.StatusMethodNotAllowed, "Method Not Allowed")
			return
		}
		next(w, r)
	})
}

// probe answers one newline, as BentoML's does.
func probe() http.Handler {
	return readOnly(func(w http.ResponseWriter, _ *http.Request) { writePlain(w, http.StatusOK, "\n") })
}

func document(contentType string, content []byte) http.Handler {
	return readOnly(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content)
	})
}

// index is what / answers to who asks for no page.
func (rt *Runtime) index() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n", rt.app.name, rt.app.version)
	for _, line := range rt.exposed() {
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

// exposed lists what the app answers, one line a route.
func (rt *Runtime) exposed() []string {
	prefix := rt.cfg().HTTP.PathPrefix
	var lines []string
	for _, a := range rt.entry.apis {
		lines = append(lines, "POST "+prefix+a.route)
	}
	if rt.exporter != nil {
		lines = append(lines, "GET "+prefix+"/metrics")
	}
	for _, path := range []string{"/schema.json", "/docs.json", "/healthz", "/livez", "/readyz"} {
		lines = append(lines, "GET "+prefix+path)
	}
	return lines
}
