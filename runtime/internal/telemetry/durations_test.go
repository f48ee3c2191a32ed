package telemetry

import (
	"bufio"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// An endpoint can have its own boundaries. There is still one family, and the scopes
// that separate the boundaries are not exported.
func TestBoundariesOfAnEndpoint(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) {
		m.Exposition.ScopeLabels, m.Exposition.TargetInfo = true, true
		m.Views = views.Config{
			Namespace: "my-team",
			Duration:  views.Duration{Buckets: []float64{1, 2}},
			SLO:       []float64{0.3},
			Endpoints: map[string]views.Endpoint{"/lengths": {Duration: views.Duration{Min: new(1.0), Max: new(4.0), Factor: new(2.0)}, SLO: []float64{3}}},
		}
	}))
	for _, e := range r.endpoints("/shout", "/lengths", Unmatched) {
		record(e, 200, 0.2)
	}
	exposition := r.scrape()
	want := ""
	for _, e := range []struct{ endpoint, boundaries string }{{"/lengths", "1.0 2.0 3.0 4.0 +Inf"}, {"/shout", "0.3 1.0 2.0 +Inf"}, {"unmatched", "0.3 1.0 2.0 +Inf"}} {
		for le := range strings.FieldsSeq(e.boundaries) {
			want += `my_team_request_duration_seconds_bucket{endpoint="` + e.endpoint + `",http_response_code="200",le="` + le + `",otel_scope_name="` + views.Scope + `",otel_scope_schema_url="",otel_scope_version=""} 1.0` + "\n"
		}
	}
	same(t, "buckets", matching(exposition, "duration_seconds_bucket"), want)
	if strings.Count(exposition, "# TYPE my_team_request_duration_seconds histogram\n") != 1 || strings.Contains(exposition, "ekiben_endpoint") {
		t.Errorf("got\n%s", exposition)
	}
	check.Contains(t, matching(exposition, "target_info"), `host_name="`)
}

func native(m *config.Metrics) { m.Views.Duration.Native = true }

// Native histograms do not change the text format. Protobuf has both forms in one
// series, and a push has the native one.
func TestNativeHistograms(t *testing.T) {
	r := measure(t, metrics(native), metrics(func(m *config.Metrics) {
		m.Views.Endpoints = map[string]views.Endpoint{"/shout": {SLO: []float64{0.3}}}
	}))
	record(r.endpoints("/shout")[0], 200, 0.2, 0.2, 0.2)
	classic := measure(t, metrics(func(m *config.Metrics) {
		m.Views.Endpoints = map[string]views.Endpoint{"/shout": {SLO: []float64{0.3}}}
	}))
	record(classic.endpoints("/shout")[0], 200, 0.2, 0.2, 0.2)
	same(t, "text", r.scrape(), classic.scrape())
	series := []*dto.Metric{}
	for _, f := range r.protobuf() {
		if f.GetName() == "bentoml_service_request_duration_seconds" {
			series = append(series, f.GetMetric()...)
		}
	}
	if len(series) != 1 {
		t.Fatalf("%d series", len(series))
	}
	if h := series[0].GetHistogram(); h.GetSampleCount() != 3 || len(h.GetBucket()) != 16 || h.Schema == nil || len(h.GetPositiveSpan()) == 0 {
		t.Errorf("got %v", h)
	}
	same(t, "errors", r.samples("ekiben_scrape_errors"), "ekiben_scrape_errors_total 0.0\n")
}

// protobuf returns /metrics in the protocol buffers of Prometheus.
func (r *rig) protobuf() (families []*dto.MetricFamily) {
	r.t.Helper()
	body := r.scrape("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	decoder := expfmt.NewDecoder(bufio.NewReader(strings.NewReader(body)), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		f := &dto.MetricFamily{}
		if decoder.Decode(f) != nil {
			return families
		}
		families = append(families, f)
	}
}

// A push, and a provider that the user built, has one form of a duration: receivers
// would drop the second one, or add both up.
func TestOneFormOfDurations(t *testing.T) {
	for name, cfg := range map[string]views.Config{"classic": {}, "native": {Duration: views.Duration{Native: true}}} {
		set := metrics(func(m *config.Metrics) { m.Views = cfg })
		check := func(what string, collect func(*rig) []metricdata.ScopeMetrics, changes ...func(*Settings)) {
			r := measure(t, append(changes, set)...)
			record(r.endpoints("/shout")[0], 200, 0.2)
			if got := forms(collect(r)); !slices.Equal(got, []string{name}) {
				t.Errorf("%s, %s: %v", name, what, got)
			}
		}
		for _, temporality := range []string{"cumulative", "delta"} {
			check(temporality, (*rig).pushed, pushing(temporality))
		}
		reader := sdkmetric.NewManualReader()
		bento, err := views.BentoML(cfg)
		if err != nil {
			t.Fatal(err)
		}
		check("foreign", func(r *rig) []metricdata.ScopeMetrics {
			var rm metricdata.ResourceMetrics
			r.check(reader.Collect(bg, &rm))
			return rm.ScopeMetrics
		}, func(s *Settings) {
			s.Provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(bento...))
		})
	}
}

func forms(scopes []metricdata.ScopeMetrics) (found []string) {
	for _, scope := range scopes {
		for _, m := range scope.Metrics {
			switch m.Data.(type) {
			case metricdata.ExponentialHistogram[float64]:
				found = append(found, "native")
			case metricdata.Histogram[float64]:
				found = append(found, "classic")
			}
		}
	}
	return found
}
