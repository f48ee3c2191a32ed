package otlp

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// NewTraceExporter returns an exporter of spans that counts in stats what
// becomes of them and tells logger when it begins to fail, and when it succeeds
// again; nil: nobody counts, or is told. Its ExportSpans returns no error, which
// the SDK would give to a handler that is global. It connects when there is
// something to send: a collector that is away is no error here. When ctx ends,
// what is on its way is given up and nothing more is sent: a processor of the
// SDK's goes on after its Shutdown was given up.
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
	return &countedSpans{exporter, ctx, stats, newReporter(logger, "spans")}, nil
}

func (t *target) traceGRPC() []otlptracegrpc.Option {
	return []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(t.url.Host),
		otlptracegrpc.WithTLSCredentials(t.credentials()),
		otlptracegrpc.WithDialOption(t.dial()...),
		otlptracegrpc.WithHeaders(t.headers()),
		otlptracegrpc.WithTimeout(t.Timeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig(t.retries())),
	}
}

func (t *target) traceHTTP() []otlptracehttp.Option {
	compression := otlptracehttp.NoCompression
	if t.Gzip {
		compression = otlptracehttp.GzipCompression
	}
	return []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(t.httpURL()),
		otlptracehttp.WithTLSClientConfig(t.httpTLS()),
		otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithHeaders(t.headers()),
		otlptracehttp.WithTimeout(t.Timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig(t.retries())),
	}
}

// countedSpans counts what becomes of spans.
type countedSpans struct {
	sdktrace.SpanExporter

	life   context.Context //nolint:containedctx // of the exporter, not of a call
	stats  *Stats
	report *reporter
}

func (c *countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(c.life, end)()
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && ctx.Err() != nil { // the SDK's processor ends ctx with a cause that is no timeout's
		err = errors.Join(err, ctx.Err())
	}
	c.report.report(err, c.stats.add(len(spans), err))
	return nil
}
