package prometheus

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	client "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

var update = flag.Bool("update", false, "write the golden files")

// rig is an exporter, the provider that it reads from, and its log.
type rig struct {
	*Exporter
	otel *client.Registry // of OpenTelemetry's own exporter, on the same provider
	mp   *sdkmetric.MeterProvider
	log  *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(tb testing.TB, cfg Config, opts ...sdkmetric.Option) *rig {
	tb.Helper()
	log := &logBuffer{}
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	e := New(cfg, Settings{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: noTime}))})
	registry := client.NewRegistry()
	theirs := []otelprom.Option{otelprom.WithRegisterer(registry)}
	if !cfg.ScopeLabels {
		theirs = append(theirs, otelprom.WithoutScopeInfo())
	}
	if !cfg.TargetInfo {
		theirs = append(theirs, otelprom.WithoutTargetInfo())
	}
	res := resource.NewSchemaless(attribute.String("service.name", "summarization"))
	opts = append([]sdkmetric.Option{sdkmetric.WithReader(e), sdkmetric.WithReader(must(otelprom.New(theirs...))), sdkmetric.WithResource(res)}, opts...)
	mp := sdkmetric.NewMeterProvider(opts...)
	tb.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return &rig{e, registry, mp, log}
}

// page returns the exposition, or the error message.
func (r *rig) page(open bool) string {
	var b strings.Builder
	s := r.take()
	defer r.give(s)
	if err := r.collect(context.Background(), s); err != nil {
		return err.Error()
	}
	if err := s.encode(&b, variant{format: textFormat(open)}); err != nil {
		return err.Error()
	}
	return b.String()
}

func textFormat(open bool) format {
	if open {
		return openMetrics
	}
	return classic
}

// encodePage encodes hand-made data, which the SDK itself would not produce.
func encodePage(tb testing.TB, e *Exporter, open bool, scopes ...metricdata.ScopeMetrics) string {
	tb.Helper()
	s := e.take()
	s.points = metricdata.ResourceMetrics{ScopeMetrics: scopes}
	s.index.update(&s.points)
	var b strings.Builder
	check.Must(tb, s.encode(&b, variant{format: textFormat(open)}))
	e.give(s)
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		check.Must(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want := check.Value(os.ReadFile(path))(t)
	same(t, path, got, string(want))
}

// same compares two strings and shows the first line that differs.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s: line %d\n got %q\nwant %q\nthe whole:\n%s", what, i+1, g[i], w[i], got)
		}
	}
	t.Fatalf("%s: %d lines, want %d; the whole:\n%s", what, len(g), len(w), got)
}

func get(h http.Handler, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// sampled returns a context whose span is sampled, so that the SDK keeps an
// exemplar.
func sampled() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
		SpanID:     trace.SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
		TraceFlags: trace.FlagsSampled,
	}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var epoch = time.UnixMilli(1_700_000_000_123)

func label1(k, v string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String(k, v))
}
