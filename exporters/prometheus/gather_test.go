package prometheus

import (
	"context"
	"net/http"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Two exporters of one process can be gathered together. Nothing that the exporter
// adds collides, not even target_info or values that are illegal in the formats.
func TestGatherersOfTwoExporters(t *testing.T) {
	var both client.Gatherers
	for _, service := range []string{"a", "b"} {
		r := newRig(t, Config{OpenMetrics: true, TargetInfo: true, ScopeLabels: true},
			sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", service))), sdkmetric.WithView(strip, exponential))
		m := r.mp.Meter("app")
		name := label1("service_name", service)
		must(m.Int64Counter("calls")).Add(sampled(), 1, name)
		must(m.Float64Histogram("took")).Record(sampled(), 1, name)
		must(m.Float64Histogram("exponential_seconds")).Record(sampled(), 1, name)
		must(m.Int64Gauge("depth")).Record(context.Background(), 1, name, label1("v", "bad \xff and\r\nbroken"))
		both = append(both, r.Gatherer())
	}
	for _, accept := range []string{"text/plain", prom242, prom3pb} {
		w := get(promhttp.HandlerFor(both, promhttp.HandlerOpts{EnableOpenMetrics: true}), "Accept", accept)
		if w.Code != http.StatusOK {
			t.Fatalf("Accept %s: %d %s", accept, w.Code, w.Body)
		}
		for _, service := range []string{"a", "b"} {
			if want := `target_info{service_name="` + service + `"} 1`; accept != prom3pb && !strings.Contains(w.Body.String(), want) {
				t.Errorf("Accept %s: got\n%s\nwant %s", accept, w.Body, want)
			}
		}
	}
}
