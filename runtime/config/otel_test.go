package config

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// Ekiben's keys override OpenTelemetry's variables. Invalid values are ignored with a
// notice.
func TestOpenTelemetryVariables(t *testing.T) {
	environ := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318/otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://traces:4318/mine",
		"OTEL_EXPORTER_OTLP_PROTOCOL=GRPC", "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b,x=1", "OTEL_EXPORTER_OTLP_METRICS_HEADERS=tenant=7",
		"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=100",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=ca.pem", "OTEL_EXPORTER_OTLP_INSECURE=true", "OTEL_METRIC_EXPORT_INTERVAL=15000",
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta", "OTEL_PROPAGATORS=b3,tracecontext", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=",
		"EKIBEN_OTLP__COMPRESSION=none",
	}
	loaded := check.Value(Source{Environ: environ, File: write(t, "otlp: {enabled: true, interval: 3}\n")}.Load(Default()))(t)
	c := loaded.Config
	metrics, traces := c.PushMetrics(), c.PushTraces()
	if !metrics.Enabled || metrics.Endpoint.Reveal() != "http://collector:4318/otlp" || !metrics.Base || metrics.Protocol != "grpc" ||
		metrics.Timeout != 100*time.Millisecond || metrics.Compression != "none" || metrics.TLS.CA != "ca.pem" || !metrics.TLS.Insecure ||
		metrics.Headers["api-key"].Reveal() != "a b" || metrics.Headers["x"].Reveal() != "1" || metrics.Headers["tenant"].Reveal() != "7" {
		t.Errorf("metrics: %+v", metrics)
	}
	if traces.Enabled || traces.Endpoint.Reveal() != "http://traces:4318/mine" || traces.Base || traces.Timeout != 2500*time.Millisecond || len(traces.Headers) != 2 {
		t.Errorf("traces: %+v", traces)
	}
	if c.OTLP.Interval != 3*time.Second || c.OTLP.Temporality != "delta" || strings.Join(c.Tracing.Propagators, " ") != "b3 tracecontext" {
		t.Errorf("got %+v, %v", c.OTLP, c.Tracing)
	}
	for i, want := range []string{"OTEL_PROPAGATORS: tracing.propagators", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlp.traces.endpoint"} {
		if len(loaded.Notices) != 2 || loaded.Notices[i].String() != want+": has no effect, because tracing.enabled is false" {
			t.Errorf("got %v", loaded.Notices)
		}
	}

	loaded = check.Value(Source{Environ: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=not a url", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_METRIC_EXPORT_INTERVAL=-1",
		"OTEL_EXPORTER_OTLP_HEADERS=secret,%zz=1,ok=1", "OTEL_PROPAGATORS=jaeger", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=lowmemory",
	}}.Load(Default()))(t)
	if got := loaded.Config.OTLP; got.Endpoint != (URL{}) || got.Protocol != "http/protobuf" || got.Timeout != 10*time.Second || len(got.Headers) != 1 {
		t.Errorf("got %+v", got)
	}
	var text strings.Builder
	for _, n := range loaded.Notices {
		text.WriteString(n.String() + "\n")
	}
	if n := strings.Count(text.String(), "is ignored"); n != 8 || strings.Contains(text.String(), "secret") ||
		!strings.Contains(text.String(), `OTEL_EXPORTER_OTLP_TIMEOUT: otlp.timeout: is ignored: must be a whole number of milliseconds greater than 0, found "10s"`) ||
		!strings.Contains(text.String(), "OTEL_PROPAGATORS: tracing.propagators: is ignored: must list only tracecontext, baggage, b3, b3multi, found jaeger\n") {
		t.Errorf("%d notices:\n%s", n, text.String())
	}
	if loaded, err := (Source{Environ: []string{"OTEL_PROPAGATORS=none"}}).Load(Default()); err != nil || len(loaded.Config.Tracing.Propagators) != 0 {
		t.Errorf("got %v", err)
	}
}

// The values of headers can be in files.
func TestHeadersInFiles(t *testing.T) {
	key := write(t, "s3cret\n")
	loaded, err := Source{File: write(t, "otlp: {headers: {a: '1'}, headers_file: {api-key: '"+key+"'}, traces: {headers_file: {x: '"+key+"'}}}\n")}.Load(Default())
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	if got := c.PushMetrics().Headers; len(got) != 2 || got["a"].Reveal() != "1" || got["api-key"].Reveal() != "s3cret" {
		t.Errorf("got %d", len(got))
	}
	if got := c.PushTraces().Headers; len(got) != 3 || got["x"].Reveal() != "s3cret" {
		t.Errorf("got %d", len(got))
	}
	_, err = Source{File: write(t, "otlp: {headers: {a: '1'}, headers_file: {a: '"+key+"', b: nowhere}}\n")}.Load(Default())
	for _, want := range []string{"otlp.headers_file.a: must not be given beside otlp.headers.a", "otlp.headers_file.b: must name a file that can be read"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

// Each sampler of OpenTelemetry sets sample_rate and parent_based.
func TestSamplers(t *testing.T) {
	for _, c := range []struct {
		sampler, arg string
		rate         float64
		parentBased  bool
		notice       string
	}{
		{"", "0.5", 0, true, ""},
		{"always_on", "", 1, false, ""},
		{"always_off", "", 0, false, ""},
		{" TraceIDRatio", " 0.25 ", 0.25, false, ""},
		{"traceidratio", "", 1, false, ""},
		{"traceidratio", "1.5", 1, false, `OTEL_TRACES_SAMPLER_ARG: tracing.sample_rate: is ignored and 1 is used: must be a number from 0 to 1, found "1.5"`},
		{"traceidratio", "nan", 1, false, `OTEL_TRACES_SAMPLER_ARG: tracing.sample_rate: is ignored and 1 is used: must be a number from 0 to 1, found nan`},
		{"parentbased_traceidratio", "1e-3", 0.001, true, ""},
		{"parentbased_always_on", "0.5", 1, true, ""},
		{"parentbased_always_off", "", 0, true, ""},
		{"jaeger_remote", "", 0, true, `OTEL_TRACES_SAMPLER: tracing.sample_rate: is ignored: must be always_off or always_on or parentbased_always_off or ` +
			`parentbased_always_on or parentbased_traceidratio or traceidratio, found jaeger_remote`},
	} {
		loaded, err := Source{Environ: []string{"OTEL_TRACES_SAMPLER=" + c.sampler, "OTEL_TRACES_SAMPLER_ARG=" + c.arg}}.Load(Default())
		if err != nil {
			t.Errorf("%s %s: %v", c.sampler, c.arg, err)
			continue
		}
		notice := ""
		for _, n := range loaded.Notices {
			if strings.HasPrefix(n.Text, "is ignored") {
				notice += n.String()
			}
		}
		if got := loaded.Config.Tracing; got.SampleRate != c.rate || got.ParentBased != c.parentBased || notice != c.notice {
			t.Errorf("%s %s: got %v, %t, %s", c.sampler, c.arg, got.SampleRate, got.ParentBased, notice)
		}
	}
}

// The variable for the kind of histogram has the SDK's values; others are ignored.
func TestHistogramAggregation(t *testing.T) {
	for value, want := range map[string]bool{"base2_exponential_bucket_histogram": true, "explicit_bucket_histogram": false, "drop": false} {
		loaded := check.Value(Source{Environ: []string{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=" + value}}.Load(Default()))(t)
		if got := loaded.Config.Metrics.Views.Duration.Native; got != want || (len(loaded.Notices) > 0) != (value == "drop") {
			t.Errorf("%s: got %t, %v", value, got, loaded.Notices)
		}
	}
}
