package otlp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

// BenchmarkExport compares one push of 1,000 histograms with OpenTelemetry's
// own exporter.
func BenchmarkExport(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	points := make([]metricdata.HistogramDataPoint[float64], 1000)
	for i := range points {
		points[i] = metricdata.HistogramDataPoint[float64]{
			Attributes: attribute.NewSet(attribute.Int("series", i), attribute.String("endpoint", "/encode"), attribute.String("service_name", "summarization")),
			StartTime:  began, Time: ended, Count: 20, Sum: 1, Bounds: make([]float64, 15), BucketCounts: make([]uint64, 16),
		}
	}
	rm := &metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
		{Name: "duration", Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: points}},
	}}}}
	theirs := check.Value(otlpmetrichttp.New(b.Context(), otlpmetrichttp.WithEndpointURL(server.URL+"/v1/metrics")))(b)
	ours := check.Value(otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: server.URL}}))(b)
	for _, side := range []struct {
		name     string
		exporter metric.Exporter
	}{{"ekiben", ours}, {"opentelemetry", theirs}} {
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check.Must(b, side.exporter.Export(b.Context(), rm))
			}
		})
	}
	_ = ours.Shutdown(b.Context())
	_ = theirs.Shutdown(b.Context())
}
