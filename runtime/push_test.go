package runtime_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// points is a collector that keeps the last value of every series it is sent,
// histograms by their count, and the resource.
type points struct {
	mu       sync.Mutex
	series   map[string]float64
	resource map[string]string
	streams  map[string]int     // times a metric was sent, by scope and name
	all      []*metricpb.Metric // of every push
	header   http.Header        // of the last
}

func (p *points) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportMetricsServiceRequest
	if err != nil || proto.Unmarshal(body, &request) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.header = r.Header
	p.series, p.resource, p.streams = map[string]float64{}, map[string]string{}, map[string]int{}
	for _, rm := range request.GetResourceMetrics() {
		for _, a := range rm.GetResource().GetAttributes() {
			p.resource[a.GetKey()] = plain(a.GetValue())
		}
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				p.streams[fmt.Sprintf("%s %d attributes: %s", sm.GetScope().GetName(), len(sm.GetScope().GetAttributes()), m.GetName())]++
				p.all = append(p.all, m)
				p.keep(m)
			}
		}
	}
}

// plain is a value as a text.
func plain(v *commonpb.AnyValue) string {
	if n, ok := v.GetValue().(*commonpb.AnyValue_IntValue); ok {
		return strconv.FormatInt(n.IntValue, 10)
	}
	return v.GetStringValue()
}

func (p *points) keep(m *metricpb.Metric) {
	for _, point := range append(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()...) {
		value := point.GetAsDouble()
		if v, ok := point.GetValue().(*metricpb.NumberDataPoint_AsInt); ok {
			value = float64(v.AsInt)
		}
		p.series[m.GetName()+labels(point.GetAttributes())] = value
	}
	for _, point := range m.GetHistogram().GetDataPoints() {
		p.series[m.GetName()+labels(point.GetAttributes())] = float64(point.GetCount())
	}
	for _, point := range m.GetExponentialHistogram().GetDataPoints() {
		p.series[m.GetName()+" native"+labels(point.GetAttributes())] = float64(point.GetCount())
	}
}

func labels(attributes []*commonpb.KeyValue) string {
	text := ""
	for _, a := range attributes {
		if key := a.GetKey(); key == "endpoint" || key == "http_response_code" {
			text += " " + a.GetValue().GetStringValue()
		}
	}
	return text
}

func (p *points) get(series string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.series[series]
}

// What is pushed is what the page says, and the page says how pushing goes.
func TestPush(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=9")
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	t.Setenv("POD_NAME", "echo-0")
	for _, temporality := range []string{"cumulative", "delta"} {
		t.Run(temporality, func(t *testing.T) {
			var got points
			remote := httptest.NewServer(&got)
			defer remote.Close()
			s := serve(t, newEcho(), settings(func(c *config.Config) {
				c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval, c.OTLP.Temporality = true, config.NewURL(remote.URL), 20*time.Millisecond, temporality
			}))
			for range 5 {
				s.post("/echo", `{"text":"x"}`).want(t, 200, "X")
			}
			if temporality == "cumulative" {
				eventually(t, "the push", func() bool {
					return got.get("bentoml_service_request_total /echo 200") == 5 && got.get("bentoml_service_request_duration_seconds /echo 200") == 5
				})
			}
			eventually(t, "its measure", func() bool {
				line := s.samples("ekiben_otlp_exported_total")
				value, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]), 64)
				return value > 0 && strings.Contains(s.samples("ekiben_otlp_last_success_timestamp_seconds"), `signal="metrics"`)
			})
			got.mu.Lock()
			defer got.mu.Unlock()
			for key, want := range map[string]string{"service.name": "Echo", "service.version": "9", "deployment.environment.name": "test", "k8s.pod.name": "echo-0"} {
				if got.resource[key] != want {
					t.Errorf("%s is %q, want %q", key, got.resource[key], want)
				}
			}
			for _, key := range []string{"service.instance.id", "host.name", "process.runtime.name", "telemetry.sdk.name"} {
				if got.resource[key] == "" {
					t.Errorf("the resource lacks %s: %v", key, got.resource)
				}
			}
			if _, there := got.resource["process.command_args"]; there {
				t.Error("the command line is sent")
			}
		})
	}
}

// What chooses views is not sent, and what they made of one metric is sent as
// one.
func TestPushOnce(t *testing.T) {
	var got points
	remote := httptest.NewServer(&got)
	defer remote.Close()
	s := serve(t, newEcho(), settings(func(c *config.Config) {
		c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval = true, config.NewURL(remote.URL), 20*time.Millisecond
		c.Metrics.Views.Endpoints = map[string]views.Endpoint{"/echo": {SLO: []float64{0.3}}}
	}))
	s.post("/echo", "{}")
	s.do("GET", "/nowhere", "")
	eventually(t, "the push", func() bool {
		return got.get("bentoml_service_request_duration_seconds /echo 200") == 1 && got.get("bentoml_service_request_duration_seconds unmatched 404") == 1
	})
	got.mu.Lock()
	defer got.mu.Unlock()
	for stream, times := range got.streams {
		if times != 1 || !strings.Contains(stream, " 0 attributes: ") {
			t.Errorf("%s: %d times", stream, times)
		}
	}
}

// A collector that takes everything and answers nothing is not noticed by
// requests, is counted, and holds a shutdown up for its flush only.
func TestPushToABlackHole(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // which nobody accepts from
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var at time.Time
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval, c.OTLP.Timeout = true, config.NewURL("http://"+listener.Addr().String()), 5*time.Millisecond, 50*time.Millisecond
		}))
		eventually(t, "failures", func() bool {
			s.post("/echo", `{"text":"x"}`).want(t, 200, "X")
			return strings.Contains(s.samples("ekiben_otlp_failures_total"), `reason="timeout",signal="metrics"`) &&
				!strings.Contains(s.samples(`ekiben_otlp_failures_total{reason="timeout"`), " 0.0\n")
		})
		at = time.Now()
	})
	if took := time.Since(at); took > 10*time.Second { // 2 are promised; machines are slow
		t.Errorf("shutdown took %s", took)
	}
}
