package prometheus_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
)

// An exporter is a reader of a provider and the handler of /metrics.
func Example() {
	exporter := prometheus.New(prometheus.DefaultConfig(), prometheus.Settings{})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	defer provider.Shutdown(context.Background())

	took, err := provider.Meter("app").Float64Histogram("took", metric.WithUnit("s"),
		metric.WithDescription("Duration of a request"), metric.WithExplicitBucketBoundaries(0.5, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	took.Record(context.Background(), 0.7, metric.WithAttributes(attribute.String("route", "/encode")))

	// In a program: http.Handle("/metrics", exporter)
	response := httptest.NewRecorder()
	exporter.ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(response.Body)
	// Output:
	// # HELP took_seconds Duration of a request
	// # TYPE took_seconds histogram
	// took_seconds_sum{route="/encode"} 0.7
	// took_seconds_bucket{le="0.5",route="/encode"} 0.0
	// took_seconds_bucket{le="1.0",route="/encode"} 1.0
	// took_seconds_bucket{le="+Inf",route="/encode"} 1.0
	// took_seconds_count{route="/encode"} 1.0
}

// Families appear in the order in which they are reserved.
func ExampleExporter_Reserve() {
	exporter := prometheus.New(prometheus.DefaultConfig(), prometheus.Settings{})
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)).Meter("app")
	exporter.Reserve("requests_total")
	for _, name := range []string{"a", "requests"} {
		counter, err := meter.Int64Counter(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		counter.Add(context.Background(), 1)
	}
	families, err := exporter.Gatherer().Gather()
	for _, f := range families {
		fmt.Println(f.GetName())
	}
	fmt.Println(err)
	// Output:
	// requests_total
	// a_total
	// <nil>
}

func ExampleFamilyName() {
	fmt.Println(prometheus.FamilyName("http.requests", "", sdkmetric.InstrumentKindCounter))
	fmt.Println(prometheus.FamilyName("http.duration", "s", sdkmetric.InstrumentKindHistogram))
	// Output:
	// http_requests_total <nil>
	// http_duration_seconds <nil>
}
