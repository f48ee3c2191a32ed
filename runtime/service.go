package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Service is a named set of APIs with its own limits. An [App] embeds its entry
// service; [App.AddService] adds others.
type Service struct {
	app     *App
	name    string
	apis    []*api
	mounts  []*mount
	meter   metric.Meter
	ready   probeCheck // for /readyz
	live    probeCheck // for /livez
	onStart []func(context.Context) error
	warm    []func(context.Context) error
	onStop  []func(context.Context) error
	slots   slots.Slots
	limit   slots.Adaptive // beside slots
	queue   slots.Queue    // of requests that wait for a slot
	ranking atomic.Pointer[ranking]
	metrics *telemetry.Service
	errs    []error
}

// Declarer is an [App] or a [Service], on which APIs are declared.
type Declarer interface{ declarer() *Service }

func (s *Service) declarer() *Service { return s }

func (a *App) newService(name string) *Service {
	s := &Service{app: a, name: telemetry.LegalLabel(name)}
	s.meter = a.telemetry.Meter(s.name)
	if name == "" || strings.ContainsFunc(name, unicode.IsControl) { // the name is the value of the header Server too
		s.fail(fmt.Errorf("service %q: must have a name without control characters", name))
	}
	if !a.tooLate("AddService " + name) {
		a.services = append(a.services, s)
	}
	return s
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Meter returns the meter for the service's own metrics, with OpenTelemetry's API.
//
// Each name can be used once in an app, and must be legal in Prometheus:
// "queue_depth", not "queue.depth". /metrics adds _total to a counter whose name
// lacks it. For a name that is illegal or used, the method that makes the
// instrument returns an error with the name to use. Before Run the error may be
// ignored, because Run returns it too.
func (s *Service) Meter() metric.Meter { return s.meter }

func (s *Service) fail(err error) { s.errs = append(s.errs, err) }

// declare checks an API against the service's other APIs, and adds it.
func (s *Service) declare(a *api) {
	if s.app.tooLate("Handle " + a.name) {
		a.ignored = true
		return
	}
	where := a.where()
	if !nameRule.MatchString(a.name) {
		s.fail(fmt.Errorf("%s: name must match %s", where, nameRule))
	}
	parsed, err := pattern.Parse(a.route)
	if err != nil {
		s.fail(fmt.Errorf("%s: %w", where, err))
	}
	a.pattern = parsed
	if slices.Contains(reserved, a.route) || strings.HasPrefix(a.route, assetsPath) {
		s.fail(fmt.Errorf("%s: route %s is reserved for the runtime; choose another with runtime.Route", where, a.route))
	}
	for _, other := range s.apis {
		if other.name == a.name {
			s.fail(fmt.Errorf("%s: declared twice", where))
			return
		}
		if route, of := a.sharedRoute(other); route != "" {
			s.fail(fmt.Errorf("%s: route %s belongs to API %q (%s)", where, route, other.name, of))
			return
		}
	}
	for _, one := range s.mounts {
		if one.path == a.route {
			s.fail(fmt.Errorf("%s: a handler is mounted at its route %s", where, a.route))
		}
	}
	s.apis = append(s.apis, a)
}
