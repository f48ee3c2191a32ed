package views_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

func stream(t *testing.T, cfg views.Config, i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	t.Helper()
	vs, err := views.BentoML(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range vs {
		if s, ok := view(i); ok {
			return s, true
		}
	}
	return sdkmetric.Stream{}, false
}

func scope(attrs ...attribute.KeyValue) instrumentation.Scope {
	return instrumentation.Scope{Name: views.Scope, Attributes: attribute.NewSet(attrs...)}
}

func TestNamesAndBoundaries(t *testing.T) {
	cfg := views.Config{
		Namespace: "my-ns.v2",
		Duration:  views.Duration{Buckets: []float64{1, 2}},
		SLO:       []float64{1.5},
		Endpoints: map[string]views.Endpoint{
			"/a": {Duration: views.Duration{Min: new(1.0), Max: new(4.0), Factor: new(2.0)}},
			"/b": {SLO: []float64{9}},
		},
	}
	for _, test := range []struct {
		instrument string
		scope      instrumentation.Scope
		name       string
		bounds     []float64
	}{
		{views.RequestTotal, scope(), "my_ns_v2_request_total", nil},
		{views.RequestInProgress, scope(), "my_ns_v2_request_in_progress", nil},
		{views.LastRequestTimestamp, scope(), "my_ns_v2_last_request_timestamp_seconds", nil},
		{views.RequestDuration, scope(), "my_ns_v2_request_duration_seconds", []float64{1, 1.5, 2}},
		{views.RequestDuration, scope(scopeattr.Endpoint.String("/other")), "my_ns_v2_request_duration_seconds", []float64{1, 1.5, 2}},
		{views.RequestDuration, scope(scopeattr.Endpoint.String("/a")), "my_ns_v2_request_duration_seconds", []float64{1, 1.5, 2, 4}},
		{views.RequestDuration, scope(scopeattr.Endpoint.String("/b")), "my_ns_v2_request_duration_seconds", []float64{1, 2, 9}},
		{views.AdaptiveBatchSize, scope(scopeattr.MaxBatchSize.Int(6)), "my_ns_v2_adaptive_batch_size", []float64{1, 2, 4, 6}},
	} {
		s, ok := stream(t, cfg, sdkmetric.Instrument{Name: test.instrument, Kind: sdkmetric.InstrumentKindHistogram, Scope: test.scope})
		if !ok || s.Name != test.name {
			t.Errorf("%s: got %q, %v, want %q", test.instrument, s.Name, ok, test.name)
		}
		if test.bounds == nil {
			continue
		}
		if h, ok := s.Aggregation.(sdkmetric.AggregationExplicitBucketHistogram); !ok || !slices.Equal(h.Boundaries, test.bounds) {
			t.Errorf("%s in %v: got %v, want %v", test.instrument, test.scope.Attributes.ToSlice(), s.Aggregation, test.bounds)
		}
	}
}

func TestCustomMetricsAreLeftAlone(t *testing.T) {
	for _, i := range []sdkmetric.Instrument{
		{Name: views.RequestTotal, Scope: instrumentation.Scope{Name: "theirs"}},
		{Name: "something_else", Scope: scope()},
	} {
		if s, ok := stream(t, views.Config{}, i); ok {
			t.Errorf("%s of %s became %q", i.Name, i.Scope.Name, s.Name)
		}
	}
}

// A summary is a histogram whose boundaries the view takes away.
func TestSummary(t *testing.T) {
	vs, err := views.BentoML(views.Config{})
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(vs...))
	meter := provider.Meter("theirs", metric.WithInstrumentationAttributes(scopeattr.Summary.Bool(true)))
	h, err := meter.Float64Histogram("sizes")
	if err != nil {
		t.Fatal(err)
	}
	h.Record(context.Background(), 4)
	h.Record(context.Background(), 5)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	point := rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if len(point.Bounds) != 0 || point.Count != 2 || point.Sum != 9 {
		t.Errorf("got %+v", point)
	}
}

func TestLegalNamespace(t *testing.T) {
	for in, want := range map[string]string{
		"": "bentoml_service", "custom_namespace": "custom_namespace", "my-ns.v2": "my_ns_v2", "bentoml_api_server": "bentoml_api_server",
	} {
		if got, err := views.LegalNamespace(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"_x", "1abc", "a__b", "ends_", "-", "日本", "a b  c"} {
		_, err := views.LegalNamespace(in)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("found %q", in)) {
			t.Errorf("%q: got error %v", in, err)
		}
	}
}

func TestValidate(t *testing.T) {
	cfg := views.Config{
		Namespace: "_x",
		Duration:  views.Duration{Min: new(1.0), Max: new(0.5), Factor: new(1.0)},
		SLO:       []float64{0},
		Endpoints: map[string]views.Endpoint{"encode": {}, "/a": {Duration: views.Duration{Buckets: []float64{2, 1}, Factor: new(2.0)}},
			"/b": {SLO: []float64{1}}, "/c": {SLO: []float64{0}}}, // /b takes what is wrong above, and does not say it again
	}
	want := `namespace: must begin with a letter and hold letters, digits and single underscores, found "_x"; "x" would do
duration.min: must be less than max (0.5), found 1
duration.factor: must be greater than 1, found 1
slo[0]: must be greater than 0, found 0
endpoints./a.duration.buckets: give either buckets or min, max and factor, found buckets: [2 1] and factor: 2
endpoints./c.slo[0]: must be greater than 0, found 0
endpoints.encode: must be a route that starts with a slash, such as /encode`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func ExampleBentoML() {
	vs, err := views.BentoML(views.Config{Namespace: "my_team", SLO: []float64{0.3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithView(vs...))
	fmt.Println(len(vs), provider.Shutdown(context.Background()))
	// Output: 2 <nil>
}
