package runtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// tell responds with the method and the path that a mounted handler sees.
func tell(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.EscapedPath(), runtime.RequestFrom(r.Context()).Route())
}

func newMux(patterns ...string) *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range patterns {
		mux.HandleFunc(pattern, tell)
	}
	return mux
}

// A mounted handler gets every method, and the path without the mount's. The label is
// the pattern of a mux, and bounded. An API is preferred to a mount, and a longer mount to a
// shorter one.
func TestMounts(t *testing.T) {
	for _, test := range []struct{ method, path, want, endpoint string }{
		{"GET", "/app/hello", "GET /hello /app/hello", "/app/hello"},
		{"POST", "/app/hello", "405 Method Not Allowed\n", "unmatched"},
		{"DELETE", "/app/users/7", "DELETE /users/7 /app/users/{id}", "/app/users/{id}"},
		{"PATCH", "/app/users/a%2Fb", "PATCH /users/a%2Fb /app/users/{id}", "/app/users/{id}"},
		{"GET", "/app/files/a%2F%2Fb", "GET /files/a%2F%2Fb /app/files/{rest...}", "/app/files/{rest...}"},
		{"GET", "/app/files/a/b", "GET /files/a/b /app/files/{rest...}", "/app/files/{rest...}"},
		{"GET", "/app/host", "404 Not Found", "unmatched"}, // of another host
		{"GET", "/app/dir/x", "GET /dir/x /app/dir/", "/app/dir/"},
		{"GET", "/app/dir", "307 ./dir/", "unmatched"},
		{"GET", "/app/items/7", "307 ./7/", "unmatched"},
		{"GET", "/app", "GET / /app/", "/app/"},
		{"GET", "/app/", "GET / /app/", "/app/"},
		{"GET", "/app/nope", "404 Not Found", "unmatched"},
		{"GET", "/app//hello", "404 Not Found", "unmatched"},
		{"GET", "/app/x/../hello", "404 Not Found", "unmatched"},
		{"GET", "/app%2Fhello", "404 Not Found", "unmatched"},
		{"GET", "/application", "404 Not Found", "unmatched"},
		{"POST", "/app/api", "API", "/app/api"},
		{"GET", "/app/api", "405 Method Not Allowed", "/app/api"},
		{"GET", "/app/deep/x", "GET /x /app/deep", "/app/deep"},
		{"OPTIONS", "/app/deep/y//z/", "OPTIONS /y//z/ /app/deep", "/app/deep"},
		{"GET", "/app/deeper", "404 Not Found", "unmatched"},
		{"GET", "/own/x", "GET /x /own/any", "/own/any"},
		{"GET", "/own/none", "GET /none unmatched", "unmatched"},
	} {
		app := newApp("Mounts")
		app.Mount("/app", newMux("GET /hello", "/users/{id}", "/files/{rest...}", "example.com/host", "/dir/", "/items/{n}/", "/{$}"))
		app.Mount("/app/deep", http.HandlerFunc(tell))
		app.Mount("/own", http.HandlerFunc(tell), runtime.MountPattern(func(r *http.Request) string {
			if r.URL.Path == "/none" {
				return ""
			}
			return "/any"
		}))
		runtime.Handle(app, "api", func(context.Context, struct{}) (string, error) { return "API", nil }, runtime.Route("/app/api"))
		h, w := handler(t, app), httptest.NewRecorder()
		request := httptest.NewRequest(test.method, test.path, http.NoBody)
		request.Host = "localhost"
		h.ServeHTTP(w, request)
		got := w.Body.String() + w.Header().Get("Location")
		if w.Code != 200 {
			got = fmt.Sprintf("%d %s", w.Code, got)
		}
		counted := samplesOf(h, "request_total", `"`+test.endpoint+`"`, fmt.Sprintf(`"%d"`, w.Code), " 1.0")
		if got != test.want || counted == "" || strings.Count(samplesOf(h, "request_total", " 1.0"), "\n") != 1 {
			t.Errorf("%s %s: got %q, want %q; counted\n%s", test.method, test.path, got, test.want, samplesOf(h, "request_total"))
		}
	}
}

// http.path_prefix comes before the mount's path, also behind a mux of the program.
func TestMountPrefix(t *testing.T) {
	app := newApp("Prefix", settings(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }))
	app.Mount("/app", newMux("GET /users/{id}"))
	mux := http.NewServeMux()
	mux.Handle("/ml/", handler(t, app))
	check.Equal(t, call(mux, "GET", "/ml/app/users/7", ""), "GET /users/7 /app/users/{id}")
	check.Equal(t, call(mux, "GET", "/ml/users/7", "")+call(mux, "GET", "/app/users/7", ""), "Not Found404 page not found\n")
	check.Contains(t, call(mux, "GET", "/ml/metrics", ""), `request_total{endpoint="/ml/app/users/{id}",http_response_code="200"`)
	check.Contains(t, call(mux, "GET", "/ml/schema.json", ""), `"/ml/app":{"mounted":true}`)
	check.Contains(t, call(mux, "GET", "/ml/", ""), "ANY /ml/app/\n")
}

// A mount at "/" has what nothing else has, and the home page. A mux has only the paths
// that it knows: another one has the home page.
func TestMountAtRoot(t *testing.T) {
	for name, root := range map[string]http.Handler{"handler": http.HandlerFunc(tell), "mux": newMux("/site", "/{$}")} {
		app := newApp("Root")
		app.Mount("/", root)
		runtime.Handle(app, "echo", func(context.Context, struct{}) (string, error) { return "API", nil })
		h := handler(t, app)
		for path, want := range map[string]string{"/site": "GET /site /", "/": "GET / /", "/readyz": "\n", "/echo": "Method Not Allowed"} {
			if got := call(h, "GET", path, ""); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s: got %q, want %q", name, path, got, want)
			}
		}
		check.Contains(t, call(h, "GET", "/schema.json", ""), `"/":{"mounted":true}`)
	}
	app := newApp("Root")
	app.Mount("/", newMux("/site"))
	check.Contains(t, call(handler(t, app), "GET", "/", ""), "GET /schema.json\n")
}

func TestMountDeclarationErrors(t *testing.T) {
	app, h := newApp("Bad"), http.HandlerFunc(tell)
	fn := func(context.Context, text) (string, error) { return "", nil }
	runtime.Handle(app, "same", fn)
	app.Mount("/same", h)
	app.Mount("/nil", nil)
	app.Mount("/func", http.HandlerFunc(nil))
	app.Mount("/twice", h)
	app.Mount("/twice", h)
	app.Mount("slash/", h)
	app.Mount("/x/{id}", h)
	app.Mount("/metrics", h)
	app.Mount("/static_content", h)
	app.Mount("/options", h, nil, runtime.MountPattern(nil))
	runtime.Handle(app, "later", fn, runtime.Route("/twice"))
	other := app.AddService("Other")
	other.Mount("/other", h)
	check.Error(t, app.Check(), `service "Bad": mount "/same": path: is the route of API "same"
service "Bad": mount "/nil": handler: must not be nil
service "Bad": mount "/func": handler: must not be nil
service "Bad": mount "/twice": path: another handler is mounted there
service "Bad": mount "slash/": path: `+unclean+`"slash/"
service "Bad": mount "/x/{id}": path: must not have wildcards; give them to a mux that is mounted
service "Bad": mount "/metrics": path: is reserved for the runtime; choose another
service "Bad": mount "/static_content": path: is reserved for the runtime; choose another
service "Bad": mount "/options": option 1: must not be nil
service "Bad": mount "/options": runtime.MountPattern: must not be nil
service "Bad": API "later": a handler is mounted at its route /twice
service "Other": mount "/other": service: only the entry service is served over HTTP; mount the handler with App.Mount`)

	alone := newApp("Alone")
	alone.Mount("/app", h)
	check.OK(t, alone.Check())
	log, logger := textLog(slog.LevelError)
	late := newEcho(logger)
	handler(t, late)
	late.Mount("/app", h)
	check.Contains(t, log.String(), `declaration="Mount /app"`)
}
