package runtime

import (
	"net/http"
	"slices"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// route is an entry of the route table: a handler with its labels.
type route struct {
	label      string // the route as declared, or "unmatched"
	pattern    string // the route with the path prefix, for spans; "": unmatched
	wildcards  []string
	endpoint   *telemetry.Endpoint
	handler    http.Handler
	unmeasured bool
	root       bool  // the label has no path prefix
	probe      bool  // bypasses middleware
	codec      codec // of an API at a route of another protocol; nil: that of the API
}

// match is the route of a request and the values of its wildcards.
type match struct {
	route  *route
	values []string // of the route's wildcards
}

func (m *match) value(name string) string {
	if i := slices.Index(m.route.wildcards, name); i >= 0 {
		return m.values[i]
	}
	return ""
}

// matched returns the route, which changes when a call becomes a request.
func (x *exchange) matched() match {
	x.app.chain.becoming.RLock() // not x.out.mu, which is held while a client does not read
	defer x.app.chain.becoming.RUnlock()
	return x.match
}
