package views_test

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/views"
)

// The views rename the instruments of the runtime, on any provider.
func ExampleBentoML() {
	vs, err := views.BentoML(views.Config{Namespace: "my_team"})
	if err != nil {
		fmt.Println(err)
		return
	}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(vs...))
	counter, err := provider.Meter(views.Scope).Int64Counter(views.RequestTotal)
	if err != nil {
		fmt.Println(err)
		return
	}
	counter.Add(context.Background(), 1)
	var collected metricdata.ResourceMetrics
	err = reader.Collect(context.Background(), &collected)
	fmt.Println(collected.ScopeMetrics[0].Metrics[0].Name, err)
	// Output: my_team_request_total <nil>
}

// An endpoint keeps the general boundaries and has its own objectives.
func ExampleConfig_Boundaries() {
	cfg := views.Config{
		Duration:  views.Duration{Buckets: []float64{0.1, 1, 10}},
		Endpoints: map[string]views.Endpoint{"/encode": {SLO: []float64{0.05}}},
	}
	fmt.Println(cfg.Boundaries(""))
	fmt.Println(cfg.Boundaries("/encode"))
	// Output:
	// [0.1 1 10] <nil>
	// [0.05 0.1 1 10] <nil>
}

// All errors are reported at once, each with its key.
func ExampleConfig_Validate() {
	cfg := views.Config{Namespace: "1st", SLO: []float64{0.3, -1}}
	fmt.Println(cfg.Validate())
	// Output:
	// namespace: must begin with a letter and hold letters, digits, colons and single underscores, found "1st"; "st" would do
	// slo[1]: must not be negative, found -1
}

func ExampleExponential() {
	fmt.Println(views.Exponential(0.1, 1, 2))
	_, err := views.Exponential(0.001, 1000, 1.05)
	fmt.Println(err)
	// Output:
	// [0.1 0.2 0.4 0.8 1] <nil>
	// factor: makes more than 100 boundaries between 0.001 and 1000, found 1.05; 1.15 would fit
}
