package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/singleflight"

	"github.com/ekiben-serving/ekiben/batcher"
)

// Service is a named set of APIs: a declaration, to which nothing happens until
// [New] or its first request binds it to a configuration and a MeterProvider.
//
// It is an [http.Handler], so an existing mux can host it, with the same
// metrics as under [Runtime.Run]:
//
//	mux.Handle("/", svc)
type Service struct {
	name       string
	apis       []*api
	depends    []*Service
	middleware []func(http.Handler) http.Handler
	meter      *declaredMeter
	ready      func(context.Context) error
	checking   singleflight.Group
	limits     limits
	errs       []error

	bind  sync.Once
	bound atomic.Pointer[Runtime]
	err   error
}

// NewService declares a service. name is the metrics label runner_name, and
// the key of the service's own settings under services: in config.yaml; it
// must not be empty. What is wrong with a declaration is reported by [New].
func NewService(name string) *Service {
	s := &Service{name: strings.ToValidUTF8(name, "\uFFFD")}
	s.meter = newDeclaredMeter(s.name)
	if name == "" {
		s.fail(errors.New(`service "": must have a name`))
	}
	return s
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Use puts middleware around the service's APIs, documents and unknown paths;
// the first one given is the outermost. It runs inside the measurement: a
// request that middleware refuses is counted with the status it was refused
// with. Probes and /metrics are not passed through it.
func (s *Service) Use(middleware ...func(http.Handler) http.Handler) {
	if s.late("Use") {
		return
	}
	s.middleware = append(s.middleware, middleware...)
}

// DependsOn declares services that this one calls in process, through the
// [API] values that [Handle] returned. They are served together: on one
// metrics page, under one app name and version.
func (s *Service) DependsOn(services ...*Service) {
	if s.late("DependsOn") {
		return
	}
	s.depends = append(s.depends, services...)
}

// Meter returns the meter for the service's own metrics: plain OpenTelemetry,
// on whatever provider the service is bound to. Instruments can be made
// before that, and record nothing until then.
//
// A counter named without _total gains it on the page. Any other name must be
// one that Prometheus has unchanged ("queue_depth", not "queue.depth"), and
// may be made once; otherwise the method that makes the instrument returns an
// error naming what would do.
func (s *Service) Meter() metric.Meter { return s.meter }

// Err returns everything that is wrong with the declaration so far, joined.
// [New] returns the same errors.
func (s *Service) Err() error { return errors.Join(s.errs...) }

// ServeHTTP answers a request. A service that [New] has not bound is bound
// here, once, with the default configuration; if that fails, every request is
// answered 500 and the error is logged.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.bind.Do(func() {
		if _, s.err = newRuntime(s); s.err != nil {
			slog.Default().Error("service cannot be served", "service", s.name, "error", s.err)
		}
	})
	if s.err != nil {
		writeError(w, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
		return
	}
	s.bound.Load().ServeHTTP(w, r)
}

// late reports, and logs, that a declaration comes after the service was bound.
// It is dropped: requests may be reading what it would change, and there is no
// error to return it in.
func (s *Service) late(what string) bool {
	rt := s.bound.Load()
	if rt == nil {
		return false
	}
	rt.logger.Error("declared too late: the service is bound already", "service", s.name, "declaration", what)
	return true
}

func (s *Service) fail(err error) { s.errs = append(s.errs, err) }

// withDependencies lists s and everything below it, each once, s first.
func (s *Service) withDependencies() []*Service {
	var all []*Service
	var visit func(*Service)
	visit = func(one *Service) {
		if slices.Contains(all, one) {
			return
		}
		all = append(all, one)
		for _, below := range one.depends {
			visit(below)
		}
	}
	visit(s)
	return all
}

// api is an [API] with its types erased.
type api struct {
	service *Service
	name    string
	route   string
	codec   codec

	// Of a batchable API.
	batch  *batcher.Config // as declared
	items  string          // the parameter that holds them
	sizeOf any             // a func(In) int; nil: each is 1
	queue  queue
	timed  atomic.Bool // as configured

	// Set when the service is bound.
	endpoint   *endpoint
	server     []string // header values, made once
	resultType []string
}

// APIOption changes how an API is declared.
type APIOption func(*api)

// Route sets the path an API answers on, and with it the metrics label
// endpoint. Default: the API's name after a slash. It must be what a client
// sends and a proxy leaves as it is: begin with a slash, be as [path.Clean]
// leaves it, and have no space, control character, '%', '?' or '#'. It must
// belong to no other API, nor be the runtime's own.
func Route(route string) APIOption { return func(a *api) { a.route = route } }

var nameRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved are the paths the runtime itself answers, beside those below
// assetsPath.
var reserved = []string{"/", "/metrics", "/healthz", "/livez", "/readyz", "/schema.json", "/docs.json"}

// declare checks a against what the service has and adds it.
func (s *Service) declare(a *api) {
	if s.late("Handle " + a.name) {
		return
	}
	where := fmt.Sprintf("service %q: API %q", s.name, a.name)
	if !nameRule.MatchString(a.name) {
		s.fail(fmt.Errorf("%s: must be a name of letters, digits and underscores, such as summarize", where))
	}
	if a.route != "/"+a.name && !cleanRoute(a.route) { // the default is as good as the name
		s.fail(fmt.Errorf(`%s: route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%%", "?" or "#", found %q`, where, a.route))
	}
	if slices.Contains(reserved, a.route) || strings.HasPrefix(a.route, assetsPath) {
		s.fail(fmt.Errorf("%s: route %s is the runtime's own; choose another with runtime.Route", where, a.route))
	}
	if i := slices.IndexFunc(s.apis, func(o *api) bool { return o.name == a.name }); i >= 0 {
		s.fail(fmt.Errorf("%s: declared twice", where))
	} else if i := slices.IndexFunc(s.apis, func(o *api) bool { return o.route == a.route }); i >= 0 {
		s.fail(fmt.Errorf("%s: route %s is API %q's", where, a.route, s.apis[i].name))
	}
	s.apis = append(s.apis, a)
}

func cleanRoute(route string) bool {
	return strings.HasPrefix(route, "/") && route == path.Clean(route) && utf8.ValidString(route) &&
		!strings.ContainsAny(route, "%?#") &&
		!strings.ContainsFunc(route, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}
