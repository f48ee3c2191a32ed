package otlp

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/proto"
)

// MetricExporter sends metrics. It is a [metric.Exporter], whose methods may be
// called concurrently.
type MetricExporter struct {
	client   *client
	outcomes *outcomes
}

var _ metric.Exporter = (*MetricExporter)(nil)

// NewMetricExporter returns an exporter of metrics. It connects at the first
// export, so a collector that is down is no error here. It returns all errors of the
// configuration, joined.
func NewMetricExporter(s Settings) (*MetricExporter, error) {
	client, err := newClient(s.Config, Metrics)
	if err != nil {
		return nil, err
	}
	return &MetricExporter{client, newOutcomes("metrics", s)}, nil
}

// Export sends metrics, with retries, until the timeout of its Config. Its error wraps
// an [*Error]. Metrics that OTLP cannot express are left out; the others are sent, and
// the error names those that are missing.
func (e *MetricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	points, err := e.export(ctx, rm)
	e.outcomes.add(points, err)
	return err
}

// export returns how many points the collector accepted, also with an error.
func (e *MetricExporter) export(ctx context.Context, rm *metricdata.ResourceMetrics) (accepted int, err error) {
	data, points, errEncode := encodeMetrics(rm)
	body, err := proto.Marshal(data)
	if err = errors.Join(errEncode, err); err != nil {
		err = &Error{Reason: ReasonInternal, Err: err}
	}
	if body == nil || points == 0 && err != nil {
		return 0, err
	}
	if failed := e.client.send(ctx, body); failed != nil {
		return acceptedOf(points, failed), failed // more important than a metric that cannot be encoded
	}
	return points, err
}

// Temporality returns the cumulative temporality, for all instruments.
func (e *MetricExporter) Temporality(kind metric.InstrumentKind) metricdata.Temporality {
	return metric.DefaultTemporalitySelector(kind)
}

// Aggregation returns the SDK's default, for all instruments.
func (e *MetricExporter) Aggregation(kind metric.InstrumentKind) metric.Aggregation {
	return metric.DefaultAggregationSelector(kind)
}

// ForceFlush does nothing: an exporter keeps no metrics.
func (e *MetricExporter) ForceFlush(context.Context) error { return nil }

// Shutdown closes the connection. Later exports fail.
func (e *MetricExporter) Shutdown(context.Context) error { return e.client.close() }
