package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
)

// mount is a handler that serves everything below a path.
type mount struct {
	service *Service
	path    string // as declared
	below   string // what requests have before the path that the handler sees, with the path prefix
	handler http.Handler
	mux     patterned                  // nil: the handler does not report patterns
	name    func(*http.Request) string // of MountPattern; nil: none
	limits  *api                       // has the slots and the timeout, and no function

	unmatched *route
	slash     *route // redirects to the path with a slash at its end
	whole     *route // for all requests, if the handler has no patterns
	mu        sync.Mutex
	named     map[string]*route // by the handler's names
}

// MountOption changes how a handler is mounted.
type MountOption interface{ applyMount(*mount) }

type mountOptionFunc func(*mount)

func (f mountOptionFunc) applyMount(m *mount) { f(m) }

// MountPattern sets the function that names the route of a request for the label endpoint,
// such as "/users/{id}": the mount's path is put before it. It gets the request as the
// handler does, and is called before the handler. "" means that no route matches: the
// label is then "unmatched". After 200 different names, further ones are "unmatched" too.
//
// An [http.ServeMux] needs no MountPattern. Without one, all requests of another handler
// have the mount's path as their label.
func MountPattern(name func(*http.Request) string) MountOption {
	return mountOptionFunc(func(m *mount) {
		if name == nil {
			m.fail("runtime.MountPattern", errors.New("must not be nil"))
			return
		}
		m.name = name
	})
}

// Mount serves everything below a path with a handler: any method, wildcards, files, a
// proxy, WebSockets.
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /hello", hello)
//	app.Mount("/app", mux)
//
// The handler sees the path without the mount's path, as with [http.StripPrefix]; /app is
// "/". Middleware, CORS, the access log, metrics and traces work as for an API, and so do
// max_concurrency, max_body_size and traffic.timeout, which limits the time to the
// beginning of the response. A panic is a 500. [RequestFrom] and [Logger] work with the
// request's context.
//
// The label endpoint is the pattern of an [http.ServeMux], or of any handler that has its
// method Handler(*http.Request) (http.Handler, string): "GET /hello" at /app is
// /app/hello. A path that it does not know is "unmatched", and the response is the app's
// 404. For other handlers see [MountPattern].
//
// A route of an API is preferred to a mount, and a longer path to a shorter one. A mount
// at "/" has all paths that nothing else has. It replaces the home page, unless it is a mux
// that does not know "/". Only the entry service has mounts.
func (s *Service) Mount(path string, handler http.Handler, opts ...MountOption) {
	if s.app.tooLate("Mount " + path) {
		return
	}
	m := &mount{service: s, path: path, handler: handler, limits: &api{service: s, name: path, route: path}}
	for i, opt := range opts {
		if opt == nil {
			m.fail(fmt.Sprintf("option %d", i+1), errors.New("must not be nil"))
			continue
		}
		opt.applyMount(m)
	}
	if h := reflect.ValueOf(handler); handler == nil || (h.Kind() == reflect.Pointer || h.Kind() == reflect.Func) && h.IsNil() {
		m.fail("handler", errors.New("must not be nil"))
	}
	if s.app.Service != s {
		m.fail("service", errors.New("only the entry service is served over HTTP; mount the handler with App.Mount"))
	}
	if slices.ContainsFunc(s.mounts, func(other *mount) bool { return other.path == path }) {
		m.fail("path", errors.New("another handler is mounted there"))
		return
	}
	m.checkPath()
	m.mux, _ = handler.(patterned)
	if m.name != nil {
		m.mux = nil
	}
	s.mounts = append(s.mounts, m)
}

func (m *mount) checkPath() {
	parsed, err := pattern.Parse(m.path)
	switch {
	case m.path == "/":
		m.below = ""
	case err != nil:
		m.fail("path", err)
	case !parsed.Exact():
		m.fail("path", errors.New("must not have wildcards; give them to a mux that is mounted"))
	case slices.Contains(reserved, m.path), strings.HasPrefix(m.path+"/", assetsPath):
		m.fail("path", errors.New("is reserved for the runtime; choose another"))
	}
	for _, one := range m.service.apis {
		if one.route == m.path {
			m.fail("path", fmt.Errorf("is the route of API %q", one.name))
		}
	}
}

// fail records an error in a part of the declaration.
func (m *mount) fail(part string, err error) {
	m.service.errs = append(m.service.errs, fmt.Errorf("service %q: mount %q: %s: %w", m.service.name, m.path, part, err))
}
