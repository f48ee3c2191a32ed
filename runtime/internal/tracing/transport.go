package tracing

import (
	"net/http"
	"sync"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
)

// Transport returns a transport that makes HTTP calls through base, each in a span
// and with trace context in its headers. now is called for each HTTP call, because a
// client may be made before it is known whether the app traces. If now returns nil,
// the call is not traced.
func Transport(base http.RoundTripper, now func() *Tracing) http.RoundTripper {
	return &transport{base: base, now: now, traced: sync.OnceValue(func() http.RoundTripper {
		t := now()
		return otelhttp.NewTransport(base, otelhttp.WithTracerProvider(t.provider),
			otelhttp.WithMeterProvider(noop.NewMeterProvider()), otelhttp.WithPropagators(t.propagator))
	})}
}

type transport struct {
	base   http.RoundTripper
	now    func() *Tracing
	traced func() http.RoundTripper
}

// RoundTrip makes one call.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.now() == nil {
		return t.base.RoundTrip(r)
	}
	return t.traced().RoundTrip(r)
}

// CloseIdleConnections closes those of base, if it can.
func (t *transport) CloseIdleConnections() { (&http.Client{Transport: t.base}).CloseIdleConnections() }
