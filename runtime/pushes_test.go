package runtime_test

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// pushing is a service that pushes to a sink, and what it did by its end.
func pushing(t *testing.T, sink http.Handler, change func(*config.Config), drive func(*server)) {
	t.Helper()
	remote := httptest.NewServer(sink)
	defer remote.Close()
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.OTLP.Metrics.Endpoint, c.OTLP.Interval = config.NewURL(remote.URL), time.Hour
			change(c)
		}))
		drive(s)
	})
}

// Temporality is what the configuration says, on the wire: what is pushed
// cumulatively is there in each push, a delta in one.
func TestTemporality(t *testing.T) {
	for temporality, want := range map[string]metricpb.AggregationTemporality{
		"cumulative": metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, "delta": metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
	} {
		t.Run(temporality, func(t *testing.T) {
			var got points
			pushing(t, &got, func(c *config.Config) { c.OTLP.Temporality, c.OTLP.Interval = temporality, 20*time.Millisecond }, func(s *server) {
				s.post("/echo", "{}").want(t, 200, "HELLO")
				eventually(t, "three pushes", func() bool {
					line := s.samples("ekiben_otlp_exported_total")
					value, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]), 64)
					return value > 100
				})
			})
			total := int64(0)
			for _, m := range got.all {
				if m.GetName() != "bentoml_service_request_total" {
					continue
				}
				if m.GetSum().GetAggregationTemporality() != want {
					t.Fatalf("got %v", m)
				}
				for _, p := range m.GetSum().GetDataPoints() {
					if labels(p.GetAttributes()) == " /echo 200" {
						total += p.GetAsInt()
					}
				}
			}
			if temporality == "delta" && total != 1 || temporality == "cumulative" && total < 2 {
				t.Errorf("%d requests in all pushes", total)
			}
		})
	}
}

// A page and a cumulative push are one reader, so that recording costs what it
// costs without a push; deltas are a second.
func TestReaders(t *testing.T) {
	for temporality, want := range map[string]int{"": 1, "cumulative": 1, "delta": 2} {
		rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
			if temporality != "" {
				c.OTLP.Metrics.Endpoint, c.OTLP.Interval, c.OTLP.Temporality = config.NewURL(hole(t)), time.Hour, temporality
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := runtime.Readers(rt); got != want {
			t.Errorf("%q: %d readers, want %d", temporality, got, want)
		}
		if err := rt.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Every key of a push reaches what sends it.
func TestSender(t *testing.T) {
	key := config.NewSecret("s3cret")
	cfg := config.Default()
	cfg.OTLP.Endpoint, cfg.OTLP.Protocol, cfg.OTLP.Compression, cfg.OTLP.Timeout = config.NewURL("https://collector:1"), "grpc", "gzip", 3*time.Second
	cfg.OTLP.Enabled, cfg.OTLP.Headers = true, map[string]config.Secret{"api-key": key}
	cfg.OTLP.TLS.CA, cfg.OTLP.TLS.Cert, cfg.OTLP.TLS.Key, cfg.OTLP.TLS.Insecure = "ca", "cert", "key", true
	cfg.OTLP.Retry.Enabled, cfg.OTLP.Retry.Initial, cfg.OTLP.Retry.Max = true, time.Second, 2*time.Second
	want := otlp.Config{
		Endpoint: "https://collector:1", Base: true, Protocol: "grpc", Gzip: true, Timeout: 3 * time.Second, Headers: map[string]string{"api-key": "s3cret"},
		TLS: otlp.TLS{CA: "ca", Cert: "cert", Key: "key", Insecure: true}, Retry: otlp.Retry{Initial: time.Second, Max: 2 * time.Second},
	}
	if got := runtime.Sender(cfg); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	cfg.OTLP.Protocol, cfg.OTLP.Compression, cfg.OTLP.TLS.Insecure, cfg.OTLP.Retry.Enabled = "http/protobuf", "none", false, false
	want.Protocol, want.Gzip, want.TLS.Insecure, want.Retry.Off = "http/protobuf", false, false, true
	if got := runtime.Sender(cfg); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What becomes of each signal is on the page, by reason.
func TestPushesAreMeasured(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10") // milliseconds
	answers := func(status int, body []byte) string {
		remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}))
		t.Cleanup(remote.Close)
		return remote.URL
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	partial, err := proto.Marshal(&collector.ExportMetricsServiceResponse{ // on the wire a response for spans is the same
		PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for reason, url := range map[string]string{
		"": answers(200, nil), "unavailable": answers(503, nil), "rejected": answers(400, nil), "partial": answers(200, partial), "unreachable": closed.URL, "timeout": hole(t),
	} {
		for _, signal := range []string{"metrics", "traces"} {
			t.Run(reason+" "+signal, func(t *testing.T) { measured(t, url, signal, reason) })
		}
	}
}

// measured pushes one signal, and checks that its outcome is counted, for it and
// as that alone.
func measured(t *testing.T, url, signal, reason string) {
	t.Helper()
	s := serve(t, newEcho(), settings(func(c *config.Config) {
		c.OTLP.Interval, c.OTLP.Timeout, c.OTLP.Retry.Enabled = 10*time.Millisecond, time.Second, false
		if reason == "timeout" {
			c.OTLP.Timeout = 50 * time.Millisecond
		}
		if signal == "metrics" {
			c.OTLP.Metrics.Endpoint = config.NewURL(url)
		} else {
			c.OTLP.Traces.Endpoint = config.NewURL(url)
			c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
		}
	}))
	s.post("/echo", "{}").want(t, 200, "HELLO")
	more := func(family string, reasons ...string) bool {
		got := s.samples(append([]string{family, `signal="` + signal + `"`}, reasons...)...)
		return got != "" && !strings.Contains(got, " 0.0\n")
	}
	eventually(t, "the measure", func() bool {
		if reason == "" {
			return more("ekiben_otlp_exported_total{") && more("ekiben_otlp_last_success_timestamp_seconds{")
		}
		return more("ekiben_otlp_failures_total{", `reason="`+reason+`"`)
	})
	for _, why := range otlp.Reasons() {
		if why.String() != reason && more("ekiben_otlp_failures_total{", `reason="`+why.String()+`"`) {
			t.Errorf("counted as %s too", why)
		}
	}
	if reason != "" && (more("ekiben_otlp_exported_total{") || more("ekiben_otlp_last_success_timestamp_seconds{")) {
		t.Error("counted as a success too")
	}
}

// The resource says where data comes from; OpenTelemetry's variables go over
// what is found out, and under what the app says of itself.
func TestResource(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_SERVICE_NAME": "from-variable", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "echo-0", "POD_UID": "uid-1", "POD_NAMESPACE": "models",
		"NODE_NAME": "node-7", "CONTAINER_NAME": "main",
	} {
		t.Setenv(name, value)
	}
	for app, want := range map[string]string{"": "from-variable", "text_pipeline": "text_pipeline"} {
		var got points
		pushing(t, &got, func(c *config.Config) { c.App.Name = app }, func(*server) {})
		for key, want := range map[string]string{
			"service.name": want, "process.pid": strconv.Itoa(os.Getpid()), "k8s.pod.name": "echo-0", "k8s.pod.uid": "uid-1", "k8s.namespace.name": "models",
			"k8s.node.name": "node-7", "k8s.container.name": "main",
		} {
			if got.resource[key] != want {
				t.Errorf("%s is %q, want %q", key, got.resource[key], want)
			}
		}
	}
}

// A bucket's exemplar is the trace of a request in it, wherever the bucket is
// read.
func TestExemplarsAreTheRequests(t *testing.T) {
	var got points
	var kept spans
	traces := httptest.NewServer(&kept)
	defer traces.Close()
	var text string
	var families []*dto.MetricFamily
	pushing(t, &got, func(c *config.Config) {
		c.Tracing.Enabled, c.Tracing.SampleRate, c.OTLP.Traces.Endpoint = true, 1, config.NewURL(traces.URL)
	}, func(s *server) {
		s.post("/echo", "{}").want(t, 200, "HELLO")
		text = s.do("GET", "/metrics", "", "Accept", "application/openmetrics-text;version=1.0.0").body
	})
	pushing(t, &points{}, func(c *config.Config) { // protobuf is served with native histograms
		c.Metrics.Views.Duration.Native = true
		c.Tracing.Enabled, c.Tracing.SampleRate, c.OTLP.Traces.Endpoint = true, 1, config.NewURL(traces.URL)
	}, func(s *server) {
		s.do("POST", "/echo", "{}", "traceparent", "00-"+callersTrace+"-"+callersSpan+"-01").want(t, 200, "HELLO")
		families = s.protobuf()
	})
	trace := ""
	for _, span := range kept.got {
		if span.GetName() == "POST /echo" && trace == "" {
			trace = hex.EncodeToString(span.GetTraceId())
		}
	}
	if trace == "" {
		t.Fatalf("no span of the request: %v", kept.got)
	}
	line := regexp.MustCompile(`(?m)^bentoml_service_request_duration_seconds_bucket\{endpoint="/echo".* # \{.*trace_id="` + trace + `".*\} `)
	if !line.MatchString(text) {
		t.Errorf("OpenMetrics has no exemplar of trace %s:\n%s", trace, text)
	}
	inProtobuf := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				for _, l := range b.GetExemplar().GetLabel() {
					if f.GetName() == "bentoml_service_request_duration_seconds" && l.GetName() == "trace_id" && l.GetValue() == callersTrace {
						inProtobuf++
					}
				}
			}
		}
	}
	pushed := 0
	for _, m := range got.all {
		for _, p := range m.GetHistogram().GetDataPoints() {
			for _, e := range p.GetExemplars() {
				if m.GetName() == "bentoml_service_request_duration_seconds" && hex.EncodeToString(e.GetTraceId()) == trace {
					pushed++
				}
			}
		}
	}
	if inProtobuf != 1 || pushed != 1 {
		t.Errorf("%d exemplars in protobuf, %d pushed", inProtobuf, pushed)
	}
}
