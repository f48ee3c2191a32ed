package runtime

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/static"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// reserved lists the paths that the runtime serves itself, in addition to those
// below assetsPath.
var reserved = []string{"/", "/metrics", "/healthz", "/livez", "/readyz", "/schema.json", "/docs.json"}

// probes lists the paths that bypass middleware.
var probes = []string{"/healthz", "/livez", "/readyz"}

const assetsPath = apidocs.AssetsPath

// openChain builds the route table and the span handler.
func (a *App) openChain() error {
	routes, err := a.newRoutes()
	handler, refused := a.through(http.HandlerFunc(a.dispatch))
	a.chain.routes, a.chain.handler = routes, handler
	if a.tracing != nil {
		a.chain.spans = a.tracing.Server(a.name, http.HandlerFunc(a.observeTraced))
	}
	return errors.Join(err, refused)
}

func (a *App) newRoutes() (*routes, error) {
	cfg := a.conf.Now().HTTP
	t := &routes{prefix: cfg.PathPrefix, exact: map[string]*route{}, roots: map[string]*route{}}
	for _, one := range a.apis {
		one.header = responseHeader{server: []string{"BentoML Service/" + a.name}, contentType: []string{one.mediaType()}}
		r := &route{label: one.route, pattern: t.prefix + one.route, endpoint: one.endpoint, handler: one, wildcards: one.pattern.Names()}
		if one.pattern.Exact() {
			t.exact[one.route] = r
		} else {
			t.patterns = append(t.patterns, patternRoute{one.pattern, r})
		}
		if err := a.addTaskRoutes(t, one); err != nil {
			return nil, err
		}
	}
	if err := a.addProtocols(t); err != nil {
		return nil, err
	}
	slices.SortFunc(t.patterns, func(a, b patternRoute) int { return a.pattern.Compare(b.pattern) })
	t.mounts = slices.SortedFunc(slices.Values(a.mounts), func(a, b *mount) int { return len(b.path) - len(a.path) })
	metrics := http.Handler(static.NotFound)
	if a.showsMetrics() {
		metrics = a.telemetry.Exporter
	}
	t.exact["/metrics"] = &route{label: "/metrics", handler: metrics, unmeasured: true}
	own, err := a.ownHandlers(a.homePage(), strings.Join(a.exposed(), "\n"))
	if err != nil {
		return nil, err
	}
	for path, handler := range own {
		label := path
		if strings.HasPrefix(path, assetsPath) {
			label = assetsPath // each label has 19 series for each status, and strangers can cause six
		}
		t.exact[path] = &route{label: label, pattern: t.prefix + label, handler: handler, probe: slices.Contains(probes, path)}
		if t.exact[path].endpoint, err = a.metrics.Endpoint(label); err != nil {
			return nil, err
		}
	}
	endpoint, err := a.metrics.Endpoint(telemetry.Unmatched)
	unmatched := func(h http.Handler) *route {
		return &route{label: telemetry.Unmatched, endpoint: endpoint, handler: h}
	}
	t.unmatched = unmatched(static.NotFound)
	t.slash = unmatched(http.HandlerFunc(static.WithoutSlash))
	for _, one := range t.mounts {
		one.open(t.prefix, unmatched)
	}
	if cfg.Page {
		t.bare = unmatched(http.HandlerFunc(static.WithSlash))
	}
	return t, err
}

// ownHandlers returns the handlers of the runtime's own paths, except /metrics. routes is
// the list of the home page for clients that are no browsers.
func (a *App) ownHandlers(page ui.Page, routes string) (map[string]http.Handler, error) {
	docs := a.describe()
	schema, err := apidocs.Schema(docs)
	if err != nil {
		return nil, err
	}
	openAPI, err := apidocs.OpenAPI(docs)
	if err != nil {
		return nil, err
	}
	alive := a.liveness()
	handlers := map[string]http.Handler{
		"/healthz":     alive,
		"/livez":       alive,
		"/readyz":      a.readiness(),
		"/schema.json": static.Document("application/json", schema),
		"/docs.json":   static.Document("application/json", openAPI),
	}
	list := fmt.Sprintf("%s (%s)\n\n%s\n", a.identity.Name, a.identity.Version, routes)
	if !a.conf.Now().HTTP.Page {
		handlers["/"] = apidocs.List(list)
		return handlers, nil
	}
	home, err := apidocs.Home(page, list)
	if err != nil {
		return nil, err
	}
	handlers["/"] = home
	assets, err := apidocs.Assets()
	maps.Copy(handlers, assets)
	return handlers, err
}
