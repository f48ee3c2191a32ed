package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/views"
)

const benchSeries = 10_000

var benchBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 180}

// BenchmarkPage scrapes 10,000 series of the durations of requests, recorded as the
// runtime records them, with 15 boundaries, into a writer
// that discards them. Two garbage collections before each scrape empty
// every sync.Pool, as the time between two real scrapes does. sdk_collect is the
// lower bound: the time of the SDK's Collect alone.
func BenchmarkPage(b *testing.B) {
	e, theirs := benchExporter(b)
	reg := client.NewRegistry()
	benchClient(reg)
	otel := promhttp.HandlerFor(theirs, promhttp.HandlerOpts{EnableOpenMetrics: true})
	golang := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	var collected metricdata.ResourceMetrics
	const open = "application/openmetrics-text;version=1.0.0"
	for _, c := range []struct {
		name, accept string
		h            http.Handler
	}{
		{"client_golang", "text/plain", golang},
		{"client_golang_openmetrics", open, golang},
		{"otel_promhttp", "text/plain", otel},
		{"ekiben_classic", "text/plain", e},
		{"ekiben_openmetrics", open, e},
		{"ekiben_protobuf", prom3pb, e},
		{"sdk_collect", "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { _ = e.Collect(context.Background(), &collected) })},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			scrapeForBench(c.h, c.accept)
			for b.Loop() {
				b.StopTimer()
				runtime.GC()
				runtime.GC()
				b.StartTimer()
				scrapeForBench(c.h, c.accept)
			}
		})
	}
}

// discardResponse is a ResponseWriter that keeps nothing.
type discardResponse struct{ header http.Header }

func (d discardResponse) Header() http.Header         { return d.header }
func (d discardResponse) Write(b []byte) (int, error) { return len(b), nil }
func (d discardResponse) WriteHeader(int)             {}

func scrapeForBench(h http.Handler, accept string) {
	r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(discardResponse{http.Header{}}, r)
}

func benchLabels(i int) (endpoint, code string) {
	return fmt.Sprintf("/v1/models/%d/predict", i/4), []string{"200", "400", "500", "504"}[i%4]
}

func benchExporter(tb testing.TB) (*Exporter, client.Gatherer) {
	e := New(DefaultConfig(), Settings{Native: true})
	theirs := client.NewRegistry()
	other := must(otelprom.New(otelprom.WithRegisterer(theirs), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo()))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(e), sdkmetric.WithReader(other), sdkmetric.WithCardinalityLimit(0),
		sdkmetric.WithView(must(views.BentoML(views.Config{Duration: views.Duration{Buckets: benchBounds}}))...))
	tb.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	h := check.Value(mp.Meter(views.Scope).Float64Histogram(views.RequestDuration, metric.WithDescription("runner RPC duration in seconds")))(tb)
	for i := range benchSeries {
		endpoint, code := benchLabels(i)
		set := metric.WithAttributeSet(attribute.NewSet(
			attribute.String("endpoint", endpoint), attribute.String("http_response_code", code),
			attribute.String("runner_name", "Summarization"), attribute.String("service_name", "Summarization"),
			attribute.String("service_version", "not available")))
		for j := range 20 {
			h.Record(context.Background(), float64(i%100)*0.0173+float64(j)*0.9, set)
		}
	}
	return e, theirs
}

func benchClient(reg *client.Registry) {
	vec := client.NewHistogramVec(client.HistogramOpts{
		Name: "bentoml_service_request_duration_seconds", Help: "runner RPC duration in seconds", Buckets: benchBounds,
	}, []string{"endpoint", "http_response_code", "runner_name", "service_name", "service_version"})
	reg.MustRegister(vec)
	for i := range benchSeries {
		endpoint, code := benchLabels(i)
		for j := range 20 {
			vec.WithLabelValues(endpoint, code, "Summarization", "Summarization", "not available").
				Observe(float64(i%100)*0.0173 + float64(j)*0.9)
		}
	}
}

// TestPageMemory checks that a scrape allocates at most 5% of the bytes that
// client_golang's metrics allocate through promhttp.
func TestPageMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too")
	}
	e, _ := benchExporter(t)
	reg := client.NewRegistry()
	benchClient(reg)
	theirs := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, accept := range []string{"text/plain", "application/openmetrics-text;version=1.0.0"} {
		ours, bar := bytesOfScrape(e, accept), bytesOfScrape(theirs, accept)
		if ours*20 > bar {
			t.Errorf("Accept %s: a scrape allocates %d bytes, more than 5%% of client_golang's %d", accept, ours, bar)
		}
		t.Logf("Accept %s: %d bytes, client_golang %d", accept, ours, bar)
	}
}

func bytesOfScrape(h http.Handler, accept string) uint64 {
	scrapeForBench(h, accept)
	runtime.GC()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	scrapeForBench(h, accept)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
