package otlp

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc/credentials"
)

// NewMetricExporter returns an exporter of metrics. It connects when there is
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
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(t.url.Host),
		otlpmetricgrpc.WithHeaders(t.headers()),
		otlpmetricgrpc.WithTimeout(t.Timeout),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
			Enabled: !t.Retry.Off, InitialInterval: t.Retry.Initial, MaxInterval: t.Retry.Max, MaxElapsedTime: t.Timeout,
		}),
	}
	if t.plain() {
		options = append(options, otlpmetricgrpc.WithInsecure())
	} else {
		options = append(options, otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(t.secure)))
	}
	if t.Gzip {
		options = append(options, otlpmetricgrpc.WithCompressor("gzip"))
	}
	return options
}

func (t *target) metricHTTP() []otlpmetrichttp.Option {
	options := []otlpmetrichttp.Option{
		otlpmetrichttp.WithEndpoint(t.url.Host),
		otlpmetrichttp.WithURLPath(t.url.Path),
		otlpmetrichttp.WithHeaders(t.headers()),
		otlpmetrichttp.WithTimeout(t.Timeout),
		otlpmetrichttp.WithCompression(otlpmetrichttp.NoCompression),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
			Enabled: !t.Retry.Off, InitialInterval: t.Retry.Initial, MaxInterval: t.Retry.Max, MaxElapsedTime: t.Timeout,
		}),
	}
	if t.plain() {
		options = append(options, otlpmetrichttp.WithInsecure())
	} else if t.secure != nil {
		options = append(options, otlpmetrichttp.WithTLSClientConfig(t.secure))
	}
	if t.Gzip {
		options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	return options
}
