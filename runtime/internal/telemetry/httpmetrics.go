package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/httpconv"
)

// httpScope is the scope of the metrics with OpenTelemetry's semantic conventions.
const httpScope = Scope + "/http"

// httpInstruments has the HTTP server metrics of OpenTelemetry's semantic
// conventions, with the values of BentoML's families. A call in process is not an
// HTTP request and is not recorded.
type httpInstruments struct {
	duration metric.Float64Histogram
	app      []attribute.KeyValue // labels of the app
}

// httpBoundaries lists the boundaries of the conventions, in seconds.
var httpBoundaries = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

func newHTTPInstruments(provider metric.MeterProvider, app Identity) (*httpInstruments, error) {
	duration, err := httpconv.NewServerRequestDuration(provider.Meter(httpScope, metric.WithSchemaURL(semconv.SchemaURL)),
		metric.WithExplicitBucketBoundaries(httpBoundaries...))
	if err != nil {
		return nil, err
	}
	return &httpInstruments{duration.Inst(), app.attributes()}, nil
}

// of returns the series of a route, or nil if there are none.
func (h *httpInstruments) of(route string) *httpSeries {
	if h == nil {
		return nil
	}
	return &httpSeries{httpInstruments: h, route: route, options: map[httpForm][]metric.RecordOption{}}
}

// httpSeries has the series of one route. Requests have few forms, so the attributes
// of each form are made once.
type httpSeries struct {
	*httpInstruments
	route string

	mu      sync.RWMutex
	options map[httpForm][]metric.RecordOption
}

// httpForm has the parts of a request that its attributes are made from.
type httpForm struct {
	method, scheme, version string
	status                  int
}

// httpMethods lists the methods of the conventions. Any other method is _OTHER, so
// that a client cannot create series without end.
var httpMethods = []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"}

// KnownMethod reports whether OpenTelemetry's conventions have an HTTP method.
func KnownMethod(method string) bool { return slices.Contains(httpMethods, method) }

func formOf(r *http.Request, status int) httpForm {
	form := httpForm{method: r.Method, scheme: "http", version: "1.1", status: status}
	if !KnownMethod(r.Method) {
		form.method = "_OTHER"
	}
	if r.TLS != nil {
		form.scheme = "https"
	}
	switch {
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		form.version = "1.0"
	case r.ProtoMajor == 2:
		form.version = "2"
	case r.ProtoMajor == 3:
		form.version = "3"
	}
	if status < 100 || status > 999 {
		form.status = http.StatusInternalServerError
	}
	return form
}

func (s *httpSeries) record(r *http.Request, status int, took time.Duration) {
	form := formOf(r, status)
	s.mu.RLock()
	options, known := s.options[form]
	s.mu.RUnlock()
	if !known {
		options = []metric.RecordOption{metric.WithAttributeSet(s.attributes(form))}
		s.mu.Lock()
		s.options[form] = options
		s.mu.Unlock()
	}
	s.duration.Record(r.Context(), took.Seconds(), options...)
}

// attributes follows the conventions: a path without a route has no http.route, and
// only statuses from 500 on are errors. The labels of the app distinguish two apps in
// one process.
func (s *httpSeries) attributes(form httpForm) attribute.Set {
	list := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(form.method),
		semconv.URLScheme(form.scheme),
		semconv.NetworkProtocolVersion(form.version),
		semconv.HTTPResponseStatusCode(form.status),
	}
	if s.route != Unmatched {
		list = append(list, semconv.HTTPRoute(s.route))
	}
	if form.status >= http.StatusInternalServerError {
		list = append(list, semconv.ErrorTypeKey.String(strconv.Itoa(form.status)))
	}
	return attribute.NewSet(append(list, s.app...)...)
}
