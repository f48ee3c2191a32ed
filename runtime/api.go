package runtime

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// api is an [API] with its types erased.
type api struct {
	service *Service
	name    string
	codec   codec
	batch   *batching  // nil: the API is not batchable
	stream  *streaming // nil: the response is not a stream
	task    *tasked    // nil: the function does not run as a task

	route   string
	pattern pattern.Pattern
	declared

	inForce  inForce
	slots    slots.Endpoint // beside the slots of the service
	endpoint *telemetry.Endpoint
	header   responseHeader
}

// declared is what the declaration of an API says.
type declared struct {
	timeout        *time.Duration // nil: the timeout of the service
	maxConcurrency int            // 0: only the limit of the service
	contentType    string         // "": the content type of the codec
	rootInput      bool           // the input is published as the whole body
	ignored        bool           // it came after the app was sealed
}

// responseHeader has the header values that all responses of an API share.
type responseHeader struct{ server, contentType []string }

var nameRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func newAPI(service *Service, name string, opts []APIOption) *api {
	a := &api{service: service, name: name, route: "/" + name}
	a.set(opts)
	return a
}

func (a *api) set(opts []APIOption) {
	for i, opt := range opts {
		if opt == nil {
			a.fail(fmt.Sprintf("option %d", i+1), errors.New("must not be nil"))
			continue
		}
		opt.applyAPI(a)
	}
}

// where names the API in an error.
func (a *api) where() string { return fmt.Sprintf("service %q: API %q", a.service.name, a.name) }

// taskName is the name of the API in the store of tasks.
func (a *api) taskName() string { return a.service.name + "/" + a.name }

// paths lists the routes that an API is served at.
func (a *api) paths() []string {
	all := []string{a.route}
	if a.task != nil {
		for _, below := range taskRoutes {
			all = append(all, a.route+below.suffix)
		}
	}
	return all
}

// sharedRoute returns a route of a that is also one of other, and how other has it; "": none.
func (a *api) sharedRoute(other *api) (route, of string) {
	for _, mine := range a.paths() {
		for _, its := range other.paths() {
			p, err1 := pattern.Parse(mine)
			q, err2 := pattern.Parse(its)
			if mine == its || err1 == nil && err2 == nil && p.SameShape(q) {
				return mine, its
			}
		}
	}
	return "", ""
}

// fail records an error in a part of the declaration; each of joined errors alone.
func (a *api) fail(part string, err error) {
	for _, one := range config.Problems(err) {
		a.service.errs = append(a.service.errs, fmt.Errorf("%s: %s: %w", a.where(), part, one))
	}
}

// atLeast refuses a duration that the configuration refuses too, such as a bare 5.
func (a *api) atLeast(least time.Duration, part string, found time.Duration) {
	if found != 0 && found < least {
		a.fail(part, fmt.Errorf("must be 0 or at least %s, such as 5*time.Second, found %s", least, found))
	}
}

// codec decodes requests, calls the function and encodes results.
type codec interface {
	// serve decodes s.body, calls the function and encodes its result into s.out. A
	// stream sends its results.
	serve(c *call, s *scratch) error
	contentType() string
	accepts() body.Accepts // which bodies it takes, without where files are kept
	input() *wire.Schema
	output() *wire.Schema
}

// codec returns the codec of the API, or the one of the route in another protocol.
func (c *call) codec() codec {
	if other := c.x.match.route.codec; other != nil {
		return other
	}
	return c.api.codec
}

// mediaType is the Content-Type of a successful response.
func (a *api) mediaType() string {
	if a.contentType != "" {
		return a.contentType
	}
	return a.codec.contentType()
}

// APIOption changes how an API is declared.
type APIOption interface{ applyAPI(*api) }

type apiOptionFunc func(*api)

func (f apiOptionFunc) applyAPI(a *api) { f(a) }
