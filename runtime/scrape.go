package runtime

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
)

// observeScrapes puts on the page how often the page was not whole.
func observeScrapes(meter metric.Meter, exporter *prometheus.Exporter) error {
	_, err := meter.Int64ObservableCounter("ekiben.scrape.errors",
		metric.WithDescription("Metric families left out of a page, and callbacks that failed"), metric.WithUnit("{error}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(exporter.ScrapeErrors())
			return nil
		}))
	return err
}
