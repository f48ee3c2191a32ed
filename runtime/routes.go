package runtime

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/static"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// reserved are the paths that the runtime serves itself, beside those below
// assetsPath.
var reserved = []string{"/", "/metrics", "/healthz", "/livez", "/readyz", "/schema.json", "/docs.json"}

const assetsPath = apidocs.AssetsPath

// route is what a path leads to.
type route struct {
	label      string // as declared; "unmatched"
	pattern    string // with the path prefix, for spans; "" for unmatched
	endpoint   *telemetry.Endpoint
	handler    http.Handler
	unmeasured bool
}

// match is the route of a request, and what its wildcards matched.
type match struct {
	route  *route
	names  []string
	values []string
}

func (m *match) value(name string) string {
	if i := slices.Index(m.names, name); i >= 0 {
		return m.values[i]
	}
	return ""
}

// routes is the route table of an app: exact paths first, then patterns. It is
// no ServeMux because that responds to wrong methods and unclean paths by itself,
// where nothing counts them.
type routes struct {
	prefix    string
	exact     map[string]*route
	patterns  []patternRoute // the more specific ones first
	unmatched *route
	slash     *route // redirects to the path without its trailing slash
	bare      *route // redirects the bare prefix to the home page; nil: there is none
}

type patternRoute struct {
	pattern pattern
	route   *route
}

func (a *App) newRoutes() (*routes, error) {
	cfg := a.conf.now().HTTP
	t := &routes{prefix: cfg.PathPrefix, exact: map[string]*route{}}
	for _, one := range a.apis {
		one.header = responseHeader{server: []string{"BentoML Service/" + a.name}, contentType: []string{one.mediaType()}}
		r := &route{label: one.route, pattern: t.prefix + one.route, endpoint: one.endpoint, handler: a.through(one)}
		if one.pattern.exact() {
			t.exact[one.route] = r
		} else {
			t.patterns = append(t.patterns, patternRoute{one.pattern, r})
		}
	}
	slices.SortFunc(t.patterns, func(a, b patternRoute) int { return a.pattern.compare(b.pattern) })
	metrics := http.Handler(static.NotFound)
	if a.telemetry.Exporter != nil {
		metrics = a.telemetry.Exporter
	}
	t.exact["/metrics"] = &route{label: "/metrics", handler: metrics, unmeasured: true}
	own, err := a.ownHandlers()
	if err != nil {
		return nil, err
	}
	for label, handler := range own {
		t.exact[label] = &route{label: label, pattern: t.prefix + label, handler: handler}
		if t.exact[label].endpoint, err = a.metrics.Endpoint(label); err != nil {
			return nil, err
		}
	}
	endpoint, err := a.metrics.Endpoint(telemetry.Unmatched)
	unmatched := func(h http.Handler) *route {
		return &route{label: telemetry.Unmatched, endpoint: endpoint, handler: a.through(h)}
	}
	t.unmatched = unmatched(static.NotFound)
	t.slash = unmatched(http.HandlerFunc(withoutSlash))
	if cfg.Page {
		t.bare = unmatched(http.HandlerFunc(withSlash))
	}
	return t, err
}

// ownHandlers are the handlers of what the runtime serves itself, but /metrics.
func (a *App) ownHandlers() (map[string]http.Handler, error) {
	docs := a.describe()
	schema, err := apidocs.Schema(docs)
	if err != nil {
		return nil, err
	}
	openAPI, err := apidocs.OpenAPI(docs)
	if err != nil {
		return nil, err
	}
	alive := static.ReadOnly(func(w http.ResponseWriter, _ *http.Request) { static.Plain(w, http.StatusOK, "\n") })
	handlers := map[string]http.Handler{
		"/healthz":     alive,
		"/livez":       alive,
		"/readyz":      a.readiness(),
		"/schema.json": a.through(static.Document("application/json", schema)),
		"/docs.json":   a.through(static.Document("application/json", openAPI)),
	}
	list := fmt.Sprintf("%s (%s)\n\n%s\n", a.identity.Name, a.identity.Version, strings.Join(a.exposed(), "\n"))
	if !a.conf.now().HTTP.Page {
		handlers["/"] = a.through(apidocs.List(list))
		return handlers, nil
	}
	home, err := apidocs.Home(a.homePage(), list)
	if err != nil {
		return nil, err
	}
	handlers["/"] = a.through(home)
	assets, err := apidocs.Assets()
	for path, handler := range assets {
		handlers[path] = a.through(handler)
	}
	return handlers, err
}

// describe describes the app for its documents.
func (a *App) describe() apidocs.App {
	docs := apidocs.App{Name: a.identity.Name, Version: a.identity.Version, Service: a.name, Prefix: a.conf.now().HTTP.PathPrefix}
	elsewhere := false // a call of another service may respond 503
	for _, other := range a.services[1:] {
		elsewhere = elsewhere || other.maxBatchSize() > 0
	}
	for _, one := range a.apis {
		docs.APIs = append(docs.APIs, apidocs.API{
			Name: one.name, Route: one.route, Input: one.codec.input(), Output: one.codec.output(), ContentType: one.mediaType(),
			PathParams: one.pattern.names(), Batchable: one.batch != nil, Sheds: one.batch != nil || elsewhere,
		})
	}
	return docs
}

// mediaType is the Content-Type of a successful response.
func (a *api) mediaType() string {
	if a.contentType != "" {
		return a.contentType
	}
	return a.codec.contentType()
}

func (a *App) homePage() ui.Page {
	cfg := a.conf.now()
	return ui.Page{
		Name: a.identity.Name, Version: cfg.App.Version, Namespace: a.telemetry.Namespace(), Runner: a.name, Prefix: cfg.HTTP.PathPrefix, Metrics: a.whereMetrics(),
	}
}

func (a *App) whereMetrics() ui.Metrics {
	switch {
	case a.telemetry.Exporter != nil:
		return ui.Here
	case a.telemetry.On():
		return ui.Elsewhere
	}
	return ui.Off
}

// exposed lists what the app serves, one line a route.
func (a *App) exposed() []string {
	prefix := a.conf.now().HTTP.PathPrefix
	var lines []string
	for _, one := range a.apis {
		lines = append(lines, "POST "+prefix+one.route)
	}
	if a.telemetry.Exporter != nil {
		lines = append(lines, "GET "+prefix+"/metrics")
	}
	for _, path := range []string{"/schema.json", "/docs.json", "/healthz", "/livez", "/readyz"} {
		lines = append(lines, "GET "+prefix+path)
	}
	return lines
}

// match finds the route of a request. Like BentoML it redirects a trailing slash
// to the route without it; the bare prefix it redirects to the home page.
func (t *routes) match(u *url.URL) match {
	path := u.Path
	if t.prefix != "" {
		below, ok := strings.CutPrefix(path, t.prefix)
		if !ok {
			return match{route: t.unmatched}
		}
		if below == "" && t.bare != nil {
			return match{route: t.bare}
		}
		path = below
	}
	if found, ok := t.exact[path]; ok {
		return match{route: found}
	}
	if found, ok := t.matchPattern(path); ok {
		return found
	}
	if trimmed, ok := strings.CutSuffix(path, "/"); ok && trimmed != "/" && !escapesSlash(u) {
		_, pattern := t.matchPattern(trimmed)
		if pattern || t.exact[trimmed] != nil {
			return match{route: t.slash}
		}
	}
	return match{route: t.unmatched}
}

func (t *routes) matchPattern(path string) (match, bool) {
	for _, one := range t.patterns {
		if values, ok := one.pattern.match(path); ok {
			return match{route: one.route, names: one.pattern.names(), values: values}, true
		}
	}
	return match{}, false
}

// escapesSlash reports whether a slash of the path is escaped: a redirect that is
// relative to the path would then lead elsewhere.
func escapesSlash(u *url.URL) bool { return strings.Contains(strings.ToLower(u.RawPath), "%2f") }

// withoutSlash redirects relatively, because the app may be mounted below a path
// that it does not know.
func withoutSlash(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "../"+path.Base(r.URL.EscapedPath()))
}

// withSlash redirects to the home page. The dot keeps a colon in the name from
// ending a scheme.
func withSlash(w http.ResponseWriter, r *http.Request) {
	if !static.IsRead(r) {
		static.NotFound(w, r)
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
