package otlp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// collectorAt starts a collector that accepts everything.
func collectorAt() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println("the collector got", r.URL.Path) }))
}

// A pusher sends the metrics that a reader collects. The reader may feed /metrics too.
func ExampleNewPusher() {
	collector := collectorAt()
	defer collector.Close()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	requests, err := provider.Meter("example").Int64Counter("requests")
	if err != nil {
		fmt.Println(err)
		return
	}
	stats := &otlp.Stats{}
	exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: collector.URL}, Stats: stats})
	if err != nil {
		fmt.Println(err)
		return
	}
	pusher, err := otlp.NewPusher(otlp.PushSettings{From: reader, To: exporter, Interval: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	requests.Add(context.Background(), 1)
	if err := pusher.Shutdown(context.Background()); err != nil { // pushes a last time
		fmt.Println(err)
	}
	fmt.Println("data points:", stats.Exported())
	// Output:
	// the collector got /v1/metrics
	// data points: 1
}

func ExampleNewTraceExporter() {
	collector := collectorAt()
	defer collector.Close()
	exporter, err := otlp.NewTraceExporter(context.Background(), otlp.Settings{Config: otlp.Config{Endpoint: collector.URL, Gzip: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.ParentBased(otlp.NewSampler(1))))
	_, span := provider.Tracer("example").Start(context.Background(), "work")
	span.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: the collector got /v1/traces
}

// An error gives the reason why an export failed.
func ExampleError() {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer busy.Close()
	exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: busy.URL, Retry: otlp.Retry{Off: true}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = exporter.Export(context.Background(), counter(1))
	var failed *otlp.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Reason, failed.Retry)
	}
	_ = exporter.Shutdown(context.Background())
	// Output: unavailable true
}
