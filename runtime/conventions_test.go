package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

var sums = regexp.MustCompile(`(?m)_sum(\{.*\}) (.*)$`)

// Both conventions count the same requests and the same seconds.
func TestConventions(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.Metrics.Conventions = []string{"bentoml", "http"} }))
	s.post("/echo", "{}").want(t, 200, "HELLO")
	s.post("/echo", "{")
	s.do("BREW", "/echo", "")
	s.do("GET", "/nowhere", "")
	s.post("/echo", `{"text":"boom"}`).want(t, 500, masked)
	const name = "http_server_request_duration_seconds_count"
	want := `http_server_request_duration_seconds_count{error_type="500",http_request_method="POST",http_response_status_code="500",http_route="/echo",network_protocol_version="1.1",url_scheme="http"} 1.0
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",network_protocol_version="1.1",url_scheme="http"} 1.0
http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/echo",network_protocol_version="1.1",url_scheme="http"} 1.0
http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="400",http_route="/echo",network_protocol_version="1.1",url_scheme="http"} 1.0
http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="405",http_route="/echo",network_protocol_version="1.1",url_scheme="http"} 1.0
`
	if got := s.samples(name); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	page := s.page()
	var seconds []string
	for _, m := range sums.FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], "status_code=") || strings.Contains(m[1], "response_code=") {
			seconds = append(seconds, m[2])
		}
	}
	slices.Sort(seconds)
	if n := len(seconds); n != 10 || !slices.Equal(seconds, twice(seconds)) {
		t.Errorf("sums differ: %v", seconds)
	}
	if !strings.Contains(page, `http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="404",le="0.075",`) {
		t.Error("the conventions' boundary 0.075 is missing")
	}
}

// twice makes of a sorted list what it is if each element is there twice.
func twice(list []string) []string {
	var out []string
	for i := 0; i+1 < len(list); i += 2 {
		out = append(out, list[i], list[i])
	}
	return out
}

func TestConventionsAlone(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.Metrics.Conventions = []string{"http"} }))
	s.post("/echo", "{}")
	if page := s.page(); strings.Contains(page, "bentoml") || !strings.Contains(page, `http_route="/echo"`) {
		t.Errorf("got\n%s", page)
	}
	for _, bad := range [][]string{nil, {"otel"}} {
		_, err := runtime.New(newEcho(), settings(func(c *config.Config) { c.Metrics.Conventions = bad }))
		if err == nil || !strings.Contains(err.Error(), "metrics.conventions: must ") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// protobuf is the page in Prometheus' protocol buffers.
func (s *server) protobuf() (families []*dto.MetricFamily) {
	s.t.Helper()
	page := s.do("GET", "/metrics", "", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	decoder := expfmt.NewDecoder(bufio.NewReader(strings.NewReader(page.body)), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		f := &dto.MetricFamily{}
		if err := decoder.Decode(f); errors.Is(err, io.EOF) {
			return families
		} else if err != nil {
			s.t.Fatal(err)
		}
		families = append(families, f)
	}
}

func native(c *config.Config) {
	c.Metrics.Views.Duration.Native = true
	c.Metrics.Views.Endpoints = map[string]views.Endpoint{"/echo": {SLO: []float64{0.3}}}
}

// With native histograms the text pages are as without; protobuf has both
// forms in one series.
func TestNativeHistograms(t *testing.T) {
	s := serve(t, newEcho(), settings(native))
	for range 3 {
		s.post("/echo", "{}")
	}
	const count = `bentoml_service_request_duration_seconds_count{endpoint="/echo",http_response_code="200"} 3.0` + "\n"
	if got := s.samples("duration_seconds_count", `"/echo"`, `"200"`); got != count {
		t.Errorf("text: %s, want %s", got, count)
	}
	found := 0
	for _, f := range s.protobuf() {
		if f.GetName() != "bentoml_service_request_duration_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			found++
			if h := m.GetHistogram(); h.GetSampleCount() != 3 || len(h.GetBucket()) != 16 || h.Schema == nil || len(h.GetPositiveSpan()) == 0 {
				t.Errorf("got %v", h)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d series, want one", found)
	}
	if log := s.samples("ekiben_scrape_errors"); log != "ekiben_scrape_errors_total 0.0\n" {
		t.Error(log)
	}
}

// What is pushed, and what somebody else's provider is given, has one form: two
// streams of one name would be dropped or added up.
func TestNativeOnce(t *testing.T) {
	for name, cfg := range map[string]views.Config{"classic": {}, "native": {Duration: views.Duration{Native: true}}} {
		reader := sdkmetric.NewManualReader()
		vs, err := views.BentoML(cfg)
		if err != nil {
			t.Fatal(err)
		}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(vs...))
		s := serve(t, newEcho(), settings(func(c *config.Config) { c.Metrics.Views = cfg }), runtime.WithMeterProvider(provider))
		s.post("/echo", "{}")
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &rm); err != nil {
			t.Fatal(err)
		}
		if got := durationForms(rm); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, temporality := range []string{"cumulative", "delta"} {
		var got points
		remote := httptest.NewServer(&got)
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			native(c)
			c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval, c.OTLP.Temporality = true, config.NewURL(remote.URL), 20*time.Millisecond, temporality
		}))
		const name = "bentoml_service_request_duration_seconds"
		eventually(t, "the push of "+temporality, func() bool {
			s.post("/echo", "{}")
			return got.get(name+" native /echo 200") > 0
		})
		if got.get(name+" /echo 200") != 0 {
			t.Errorf("%s: both forms are pushed", temporality)
		}
		remote.Close()
	}
}

func durationForms(rm metricdata.ResourceMetrics) []string {
	var forms []string
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "bentoml_service_request_duration_seconds" {
				continue
			}
			if _, ok := m.Data.(metricdata.ExponentialHistogram[float64]); ok {
				forms = append(forms, "native")
			} else {
				forms = append(forms, "classic")
			}
		}
	}
	return forms
}
