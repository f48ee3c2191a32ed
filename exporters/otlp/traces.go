package otlp

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
)

// NewTraceExporter returns an exporter of spans that counts in stats what
// becomes of them and tells logger when it begins to fail, and when it succeeds
// again; nil: nobody counts, or is told. Its ExportSpans returns no error, which
// the SDK would give to a handler that is global. It connects when there is
// something to send: a collector that is away is no error here.
func NewTraceExporter(ctx context.Context, cfg Config, stats *Stats, logger *slog.Logger) (sdktrace.SpanExporter, error) {
	t, err := cfg.target("/v1/traces")
	if err != nil {
		return nil, err
	}
	var client otlptrace.Client
	if cfg.GRPC {
		client = otlptracegrpc.NewClient(t.traceGRPC()...)
	} else {
		client = otlptracehttp.NewClient(t.traceHTTP()...)
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, err
	}
	return &countedSpans{exporter, stats, newReporter(logger, "spans")}, nil
}

func (t *target) traceGRPC() []otlptracegrpc.Option {
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(t.url.Host),
		otlptracegrpc.WithHeaders(t.headers()),
		otlptracegrpc.WithTimeout(t.Timeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: !t.Retry.Off, InitialInterval: t.Retry.Initial, MaxInterval: t.Retry.Max, MaxElapsedTime: t.Timeout,
		}),
	}
	if t.plain() {
		options = append(options, otlptracegrpc.WithInsecure())
	} else {
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(t.secure)))
	}
	if t.Gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return options
}

func (t *target) traceHTTP() []otlptracehttp.Option {
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(t.url.Host),
		otlptracehttp.WithURLPath(t.url.Path),
		otlptracehttp.WithHeaders(t.headers()),
		otlptracehttp.WithTimeout(t.Timeout),
		otlptracehttp.WithCompression(otlptracehttp.NoCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: !t.Retry.Off, InitialInterval: t.Retry.Initial, MaxInterval: t.Retry.Max, MaxElapsedTime: t.Timeout,
		}),
	}
	if t.plain() {
		options = append(options, otlptracehttp.WithInsecure())
	} else if t.secure != nil {
		options = append(options, otlptracehttp.WithTLSClientConfig(t.secure))
	}
	if t.Gzip {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	return options
}

// countedSpans counts what becomes of spans.
type countedSpans struct {
	sdktrace.SpanExporter

	stats  *Stats
	report *reporter
}

func (c *countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	c.report.report(err, c.stats.add(len(spans), err))
	return nil
}
