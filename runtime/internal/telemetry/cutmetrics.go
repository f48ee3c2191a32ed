package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observeCut registers the counts of requests that were cut off. Only the app's own server knows
// them, as it knows late clients.
func (t *Telemetry) observeCut(meter metric.Meter) error {
	if t.set.Late == nil {
		return nil
	}
	none, part := t.app(attribute.String("response", "none")), t.app(attribute.String("response", "part"))
	_, err := meter.Int64ObservableCounter("ekiben.http.cut_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that the end of the process cut off, by what their client got: none or a part of the response"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if t.set.Late() == nil { // the app has no server
				return nil
			}
			o.Observe(t.Counts.CutNone.Load(), none)
			o.Observe(t.Counts.CutPart.Load(), part)
			return nil
		}))
	return err
}
