package runtime

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// identify gives an answer its ids, as BentoML does: the span's, or a random
// one without a span, and if it is asked for the trace's.
func (rt *Runtime) identify(ctx context.Context, header http.Header) {
	cfg := rt.cfg()
	var span trace.SpanContext
	if rt.tracer != nil {
		span = trace.SpanContextFromContext(ctx)
	}
	id := span.SpanID()
	if !span.IsValid() {
		binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	}
	header["X-Bentoml-Request-Id"] = []string{cfg.Logging.AccessLog.Format.SpanID.Format(id[:])}
	if cfg.HTTP.Response.TraceID && span.IsValid() {
		header["X-Bentoml-Trace-Id"] = []string{cfg.trace(span)}
	}
}

// requestID is the id that an answer has; "": none.
func requestID(answer http.Header) string {
	if id := answer["X-Bentoml-Request-Id"]; len(id) > 0 {
		return id[0]
	}
	return ""
}

// ids are a request's for the log: that of its answer, and its span's.
func (s *settings) ids(ctx context.Context, request string) (attrs []slog.Attr) {
	if request != "" {
		attrs = append(attrs, slog.String("request_id", request))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", s.trace(span)), slog.String("span_id", s.span(span)))
	}
	return attrs
}

func (s *settings) trace(span trace.SpanContext) string {
	id := span.TraceID()
	return s.Logging.AccessLog.Format.TraceID.Format(id[:])
}

func (s *settings) span(span trace.SpanContext) string {
	id := span.SpanID()
	return s.Logging.AccessLog.Format.SpanID.Format(id[:])
}
