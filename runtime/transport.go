package runtime

import (
	"net/http"
	"sync"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
)

// Transport passes traces on to other servers: a client with it makes a span of
// each call, below that of the request whose context the call has, and sends
// trace context in the formats of tracing.propagators:
//
//	client := &http.Client{Transport: svc.Transport(nil)}
//
// base makes the calls; default and meaning of nil: [http.DefaultTransport].
// Without tracing it is all there is. Services that call each other in one
// process, with [API.Call], need none.
func (s *Service) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	t := &transport{service: s, base: base}
	t.traced = sync.OnceValue(func() http.RoundTripper {
		rt := s.bound.Load()
		return otelhttp.NewTransport(base, otelhttp.WithTracerProvider(rt.tracer), otelhttp.WithMeterProvider(noop.NewMeterProvider()),
			otelhttp.WithPropagators(propagator(rt.cfg().Tracing.Propagators)))
	})
	return t
}

// transport is made before there is a runtime that says whether it traces.
type transport struct {
	service *Service
	base    http.RoundTripper
	traced  func() http.RoundTripper
}

// RoundTrip makes one call.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if rt := t.service.bound.Load(); rt == nil || rt.tracer == nil {
		return t.base.RoundTrip(r)
	}
	return t.traced().RoundTrip(r)
}
