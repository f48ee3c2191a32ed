package otlp

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// NewTraceExporter returns an exporter of spans, for a span processor of the
// SDK. It connects at the first export, so a collector that is down is no error
// here. It returns all errors of the configuration, joined.
//
// ExportSpans returns no error, because the SDK would pass it to a global
// handler; Settings has Stats and a Logger instead. When ctx ends, the export in
// progress is cancelled and later ones fail. This is needed because a span processor
// continues after the context of its Shutdown has ended.
func NewTraceExporter(ctx context.Context, s Settings) (sdktrace.SpanExporter, error) {
	client, err := newClient(s.Config, Traces)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, spanClient{client})
	if err != nil {
		return nil, err
	}
	return &spanExporter{SpanExporter: exporter, lifetime: ctx, outcomes: newOutcomes("spans", s)}, nil
}

// spanExporter counts the exports of otlptrace's exporter and hides their errors.
type spanExporter struct {
	sdktrace.SpanExporter

	lifetime context.Context //nolint:containedctx // of the exporter, not of a call
	outcomes *outcomes
}

func (e *spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.lifetime, cancel)()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.outcomes.add(acceptedOf(len(spans), err), err)
	return nil
}

// spanClient sends what otlptrace has encoded.
type spanClient struct{ *client }

func (c spanClient) Start(context.Context) error { return nil }

func (c spanClient) Stop(context.Context) error { return c.close() }

func (c spanClient) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return &Error{Reason: ReasonInternal, Err: err}
	}
	return c.send(ctx, body)
}
