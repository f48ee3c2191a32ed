package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// newSlowCounter makes the counter of slow requests. It has no series before the first one.
func newSlowCounter(meter metric.Meter) (metric.Int64Counter, error) {
	return meter.Int64Counter("ekiben.slow.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that took at least slow.objective, by what took the largest share of their time"))
}

// Slow counts a slow request by its cause. The span in ctx becomes the exemplar.
func (e *Endpoint) Slow(ctx context.Context, cause string) {
	if e != nil {
		labels := e.service.labels(attribute.String("cause", cause), attribute.String("endpoint", e.label))
		e.service.t.slow.Add(ctx, 1, metric.WithAttributeSet(labels))
	}
}
