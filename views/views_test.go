package views_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

func stream(t *testing.T, cfg views.Config, i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	t.Helper()
	vs := check.Value(views.BentoML(cfg))(t)
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
		{views.RequestDuration, scope(), "my_ns_v2_request_duration_seconds", []float64{1, 1.5, 2, 4, 9}},
		{views.RequestDuration, scope(scopeattr.Endpoint.String("")), "my_ns_v2_request_duration_seconds", []float64{1, 1.5, 2}},
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

// With a provider that a user built, nothing internal is exported: neither as a
// label of OpenTelemetry's own exporter, nor in the scope or the unit of a stream.
func TestForeignProvider(t *testing.T) {
	for name, cfg := range map[string]views.Config{
		"classic": {Endpoints: map[string]views.Endpoint{"/a": {SLO: []float64{0.3}}}},
		"native":  {Duration: views.Duration{Native: true}},
	} {
		vs := check.Value(views.BentoML(cfg))(t)
		registry := client.NewRegistry()
		theirs := check.Value(otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutTargetInfo()))(t)
		reader := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithReader(theirs), sdkmetric.WithView(vs...))
		record(t, provider)
		text := expose(t, registry)
		if strings.Contains(text, "ekiben_") || strings.Contains(text, "ekiben.") {
			t.Errorf("%s: something internal leaves:\n%s", name, text)
		}
		for _, want := range map[string][]string{
			"classic": {`bentoml_service_request_duration_seconds_bucket{%s,le="0.3"} 0`, `bentoml_service_adaptive_batch_size_bucket{%s,le="6"} 1`, `size_bytes_sum{%s} 9`},
			"native":  {`bentoml_service_request_duration_seconds_count{%s} 1`, `size_bytes_bucket{%s,le="+Inf"} 2`},
		}[name] {
			scope := views.Scope
			if strings.HasPrefix(want, "size") {
				scope = "theirs"
			}
			if want = fmt.Sprintf(want, `otel_scope_name="`+scope+`",otel_scope_schema_url="",otel_scope_version=""`); !strings.Contains(text, want) {
				t.Errorf("%s: got\n%s\nwant %s", name, text, want)
			}
		}
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &rm); err != nil || len(rm.ScopeMetrics) != 2 {
			t.Errorf("%s: %d scopes, %v, want 2", name, len(rm.ScopeMetrics), err)
		}
		for _, s := range rm.ScopeMetrics {
			for _, m := range s.Metrics {
				if s.Scope.Attributes.Len() != 0 || m.Name == "size_bytes" && m.Unit != "By" {
					t.Errorf("%s: %s of %v has the unit %q", name, m.Name, s.Scope, m.Unit)
				}
			}
		}
	}
}

// record records one value of each kind, as the runtime does with a provider that a
// user built.
func record(t *testing.T, provider metric.MeterProvider) {
	t.Helper()
	meter := provider.Meter(views.Scope)
	duration, err1 := meter.Float64Histogram(views.RequestDuration, metric.WithUnit("s"))
	size, err2 := meter.Int64Histogram(views.AdaptiveBatchSize, metric.WithExplicitBucketBoundaries(views.BatchSizeBoundaries(6)...))
	custom := scopeattr.SummaryMeter(provider.Meter("theirs"))
	summary, err3 := custom.Float64Histogram("size_bytes", metric.WithUnit("By"))
	whole, err4 := custom.Int64Histogram("items", metric.WithUnit("{item}"))
	check.Must(t, errors.Join(err1, err2, err3, err4))
	ctx := context.Background()
	duration.Record(ctx, 1)
	size.Record(ctx, 5)
	summary.Record(ctx, 4)
	summary.Record(ctx, 5)
	whole.Record(ctx, 1)
}

func expose(t *testing.T, from client.Gatherer) string {
	t.Helper()
	families := check.Value(from.Gather())(t)
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestLegalNamespace(t *testing.T) {
	for in, want := range map[string]string{
		"": "bentoml_service", "custom_namespace": "custom_namespace", "my-ns.v2": "my_ns_v2", "bentoml_api_server": "bentoml_api_server",
		"a:b": "a:b", "team:svc-2": "team:svc_2", "a::b": "a::b", "a:": "a:",
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
	want := `namespace: must begin with a letter and hold letters, digits, colons and single underscores, found "_x"; "x" would do
duration.min: must be less than max (0.5), found 1
duration.factor: must be greater than 1, found 1
slo[0]: must be greater than 0, found 0
endpoints./a.duration.buckets: give either buckets or min, max and factor, found buckets: [2 1] and factor: 2
endpoints./c.slo[0]: must be greater than 0, found 0
endpoints.encode: must be a route that starts with a slash, such as /encode`
	check.Error(t, cfg.Validate(), want)
}
