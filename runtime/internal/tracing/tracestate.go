package tracing

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// tracestates joins several tracestate headers before OpenTelemetry reads them. W3C
// allows a sender to split the list, but http.Header.Get returns only the first
// header.
type tracestates struct{ propagation.TraceContext }

// Extract reads the trace context of carrier into ctx.
func (p tracestates) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	return p.TraceContext.Extract(ctx, joined{carrier})
}

type joined struct{ propagation.TextMapCarrier }

// Get returns a header. For tracestate it joins all headers to one list.
func (j joined) Get(key string) string {
	if many, ok := j.TextMapCarrier.(propagation.ValuesGetter); ok && strings.EqualFold(key, "tracestate") {
		return strings.Join(many.Values(key), ",")
	}
	return j.TextMapCarrier.Get(key)
}
