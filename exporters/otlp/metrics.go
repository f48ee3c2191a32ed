package otlp

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
)

// NewMetricExporter returns an exporter of metrics. To a reader that asks it, it
// wants them cumulative, with boundaries. It connects when there is
// something to send: a collector that is away is no error here.
func NewMetricExporter(ctx context.Context, cfg Config) (metric.Exporter, error) {
	t, err := cfg.target("/v1/metrics")
	if err != nil {
		return nil, err
	}
	if cfg.GRPC {
		return otlpmetricgrpc.New(ctx, t.metricGRPC()...)
	}
	return otlpmetrichttp.New(ctx, t.metricHTTP()...)
}

func (t *target) metricGRPC() []otlpmetricgrpc.Option {
	return []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(t.url.Host),
		otlpmetricgrpc.WithTLSCredentials(t.credentials()),
		otlpmetricgrpc.WithDialOption(t.dial()...),
		otlpmetricgrpc.WithHeaders(t.headers()),
		otlpmetricgrpc.WithTimeout(t.Timeout),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig(t.retries())),
		otlpmetricgrpc.WithTemporalitySelector(metric.DefaultTemporalitySelector),
		otlpmetricgrpc.WithAggregationSelector(metric.DefaultAggregationSelector),
	}
}

func (t *target) metricHTTP() []otlpmetrichttp.Option {
	compression := otlpmetrichttp.NoCompression
	if t.Gzip {
		compression = otlpmetrichttp.GzipCompression
	}
	return []otlpmetrichttp.Option{
		otlpmetrichttp.WithEndpointURL(t.httpURL()),
		otlpmetrichttp.WithTLSClientConfig(t.httpTLS()),
		otlpmetrichttp.WithCompression(compression),
		otlpmetrichttp.WithHeaders(t.headers()),
		otlpmetrichttp.WithTimeout(t.Timeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig(t.retries())),
		otlpmetrichttp.WithTemporalitySelector(metric.DefaultTemporalitySelector),
		otlpmetrichttp.WithAggregationSelector(metric.DefaultAggregationSelector),
	}
}
