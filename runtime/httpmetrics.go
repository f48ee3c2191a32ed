package runtime

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/httpconv"
)

// httpScope is the scope of what OpenTelemetry's semantic conventions name.
const httpScope = ownScope + "/http"

// httpInstruments are the metrics of HTTP servers by OpenTelemetry's semantic
// conventions. Their values are those of BentoML's families, under the names
// and with the attributes that dashboards for OpenTelemetry expect. A service
// that another one calls in its own process is no HTTP server: it is not here.
type httpInstruments struct{ duration metric.Float64Histogram }

// httpBoundaries are the conventions' own, in seconds.
var httpBoundaries = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

func newHTTPInstruments(provider metric.MeterProvider) (*httpInstruments, error) {
	duration, err := httpconv.NewServerRequestDuration(provider.Meter(httpScope, metric.WithSchemaURL(semconv.SchemaURL)),
		metric.WithExplicitBucketBoundaries(httpBoundaries...))
	if err != nil {
		return nil, err
	}
	return &httpInstruments{duration.Inst()}, nil
}

// of returns the series of a route; nil if there are none.
func (h *httpInstruments) of(route string) *httpSeries {
	if h == nil {
		return nil
	}
	return &httpSeries{duration: h.duration, route: route}
}

// httpSeries are the series of one route. How a request came in has few forms,
// so that each set of attributes is made once.
type httpSeries struct {
	duration metric.Float64Histogram
	route    string
	statuses [900]atomic.Pointer[[forms]atomic.Pointer[[]metric.RecordOption]]
}

// forms are the methods that the conventions name, by scheme and version.
const forms = 11 * 2 * 4

var (
	httpMethods  = [...]string{"_OTHER", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"}
	httpVersions = [...]string{"1.1", "1.0", "2", "3"}
)

// record counts r, which was answered with status.
func (s *httpSeries) record(r *http.Request, status int, took time.Duration) {
	index := status - 100
	if index < 0 || index >= len(s.statuses) {
		index = 500 - 100
	}
	sets := s.statuses[index].Load()
	if sets == nil {
		s.statuses[index].CompareAndSwap(nil, new([forms]atomic.Pointer[[]metric.RecordOption]))
		sets = s.statuses[index].Load()
	}
	form := formOf(r)
	option := sets[form].Load()
	if option == nil {
		option = &[]metric.RecordOption{metric.WithAttributeSet(s.attributes(form, index+100))}
		sets[form].Store(option)
	}
	s.duration.Record(r.Context(), took.Seconds(), *option...)
}

func formOf(r *http.Request) int {
	method := 0
	for i, known := range httpMethods {
		if r.Method == known {
			method = i
		}
	}
	form := method * 2
	if r.TLS != nil {
		form++
	}
	form *= len(httpVersions)
	switch {
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		form++
	case r.ProtoMajor == 2:
		form += 2
	case r.ProtoMajor == 3:
		form += 3
	}
	return form
}

// attributes is the inverse of formOf. A path without a route has no
// http.route; a method that the conventions do not name is _OTHER, lest a
// stranger makes series without end; error.type is there for statuses from 500
// on, which are a server's errors.
func (s *httpSeries) attributes(form, status int) attribute.Set {
	version := httpVersions[form%len(httpVersions)]
	form /= len(httpVersions)
	scheme := "http"
	if form%2 == 1 {
		scheme = "https"
	}
	list := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(httpMethods[form/2]),
		semconv.URLScheme(scheme),
		semconv.NetworkProtocolVersion(version),
		semconv.HTTPResponseStatusCode(status),
	}
	if s.route != unmatched {
		list = append(list, semconv.HTTPRoute(s.route))
	}
	if status >= 500 {
		list = append(list, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	return attribute.NewSet(list...)
}
