package runtime

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// patterned is a handler that reports the pattern for a request, as http.ServeMux does.
type patterned interface {
	http.Handler
	Handler(r *http.Request) (h http.Handler, pattern string)
}

// mostNames bounds how many labels one mount makes.
const mostNames = 200

// strip returns the URL that the handler sees; nil: it is not below the mount.
func (m *mount) strip(u *url.URL) *url.URL {
	below, ok := strings.CutPrefix(u.Path, m.below)
	raw, rawOK := strings.CutPrefix(u.RawPath, m.below)
	if !ok || u.RawPath != "" && !rawOK || below != "" && below[0] != '/' || raw != "" && raw[0] != '/' {
		return nil
	}
	stripped := *u
	stripped.Path, stripped.RawPath = below, raw
	if below == "" {
		stripped.Path, stripped.RawPath = "/", ""
	}
	return &stripped
}

// match returns the route of a request whose path begins with the mount's; nil: the
// handler is a mux that does not know the path.
func (m *mount) match(r *http.Request, u *url.URL) *route {
	stripped := m.strip(u)
	if stripped == nil {
		return nil
	}
	if m.mux == nil && m.name == nil {
		return m.whole
	}
	seen := *r
	seen.URL = stripped
	if m.name != nil {
		_, name := m.ask(func() (http.Handler, string) { return nil, m.name(&seen) })
		return m.route(name)
	}
	escaped := stripped.EscapedPath()
	if unclean(escaped) { // a mux redirects to the clean path, and does not know the mount's
		return nil
	}
	found, name := m.ask(func() (http.Handler, string) { return m.mux.Handler(&seen) })
	switch {
	case name == "" && isNotFound(found):
		return nil
	case name == "":
		return m.unmatched // such as a 405
	}
	if _, below, ok := strings.Cut(name, "/"); ok { // without method and host
		name = below
	}
	name = "/" + name
	if strings.Count(name, "/") == strings.Count(escaped, "/")+1 && strings.HasSuffix(name, "/") {
		return m.slash // a mux redirects to the path with a slash, and does not know the mount's
	}
	return m.route(strings.TrimSuffix(name, "{$}"))
}

// ask calls code of the program before the request is counted. If it panics, the request
// is unmatched, and the handler is called as usual.
func (m *mount) ask(name func() (http.Handler, string)) (found http.Handler, pattern string) {
	defer func() {
		if p := recover(); p != nil {
			m.service.app.log.logger.Error("a mount could not name its route", "mount", m.path, "error", fmt.Sprintf("panic: %v", p), "stack", string(debug.Stack()))
			found, pattern = m.handler, ""
		}
	}()
	return name()
}

// unclean reports whether a path has "//", "/./" or "/../".
func unclean(p string) bool {
	return strings.TrimSuffix(p, "/") != strings.TrimSuffix(path.Clean(p), "/")
}

// isNotFound reports whether a mux has found no pattern, also with another method.
func isNotFound(h http.Handler) bool {
	f, ok := h.(http.HandlerFunc)
	return h == nil || ok && reflect.ValueOf(f).Pointer() == reflect.ValueOf(http.NotFound).Pointer()
}

// route returns the route with a name. It makes it if it is new, unless there are too
// many.
func (m *mount) route(name string) *route {
	if name == "" {
		return m.unmatched
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.named[name]; ok {
		return found
	}
	if len(m.named) == mostNames {
		return m.unmatched
	}
	made := m.newRoute(strings.TrimSuffix(m.path, "/") + name)
	m.named[name] = made
	return made
}

func (m *mount) newRoute(label string) *route {
	endpoint, err := m.service.metrics.Endpoint(label)
	if err != nil { // a label makes no instrument that could fail, unless another label failed before
		return m.unmatched
	}
	prefix := m.service.app.conf.Now().HTTP.PathPrefix
	return &route{label: label, pattern: prefix + label, endpoint: endpoint, handler: m}
}

// open makes the routes that do not depend on requests.
func (m *mount) open(prefix string, unmatched func(http.Handler) *route) {
	m.below = prefix + strings.TrimSuffix(m.path, "/")
	m.named, m.unmatched, m.slash = map[string]*route{}, unmatched(m), unmatched(http.HandlerFunc(static.AddSlash))
	m.whole = m.newRoute(m.path)
}
