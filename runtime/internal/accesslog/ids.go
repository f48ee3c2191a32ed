package accesslog

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// IDs formats the ids of requests and traces as logging.access.format says.
type IDs struct{ config.IDFormats }

// Request returns the id of a request: the id of its span, or without a span a
// random id, as in BentoML.
func (f IDs) Request(span trace.SpanContext) string {
	id := span.SpanID()
	if !span.IsValid() {
		binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	}
	return f.SpanID.Format(id[:])
}

// Trace returns the id of a span's trace.
func (f IDs) Trace(span trace.SpanContext) string {
	id := span.TraceID()
	return f.TraceID.Format(id[:])
}

// Span returns the id of a span.
func (f IDs) Span(span trace.SpanContext) string {
	id := span.SpanID()
	return f.SpanID.Format(id[:])
}

// Attrs returns the ids of a request for the log: request, unless it is "", and the
// ids of the span in ctx.
func (f IDs) Attrs(ctx context.Context, request string) (attrs []slog.Attr) {
	if request != "" {
		attrs = append(attrs, slog.String("request_id", request))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", f.Trace(span)), slog.String("span_id", f.Span(span)))
	}
	return attrs
}
