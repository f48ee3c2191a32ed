package instrument_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// The label set of a metric is a struct: a field is a label.
func ExampleNewCounter() {
	exporter := prometheus.New(prometheus.DefaultConfig(), prometheus.Settings{})
	meter := metric.NewMeterProvider(metric.WithReader(exporter)).Meter("summarization") // in a service: its Meter()

	type outcome struct {
		Status string `label:"status"`
		Cached bool
	}
	requests, err := instrument.NewCounter[outcome](meter, "summary_requests", instrument.Help("Summaries requested"))
	if err != nil {
		fmt.Println(err)
		return
	}
	requests.Add(context.Background(), outcome{Status: "success"}, 1)
	requests.Add(context.Background(), outcome{Status: "success", Cached: true}, 2)

	families, _ := exporter.Gatherer().Gather()
	for _, f := range families {
		_, _ = expfmt.MetricFamilyToText(os.Stdout, f)
	}
	// Output:
	// # HELP summary_requests_total Summaries requested
	// # TYPE summary_requests_total counter
	// summary_requests_total{cached="false",status="success"} 1
	// summary_requests_total{cached="true",status="success"} 2
}

// All mistakes are reported at once, with their places.
func ExampleBuckets() {
	meter := metric.NewMeterProvider().Meter("summarization")
	_, err := instrument.NewHistogram[struct{}](meter, "inference_seconds", instrument.Unit("s"), instrument.Buckets(1, 0.5, 0.5))
	fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
	// Output:
	// histogram "inference_seconds": buckets[1]: must be greater than the boundary before it (1), found 0.5; buckets[2]: must be greater than the boundary before it (0.5), found 0.5
}
