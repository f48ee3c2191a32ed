package runtime

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// idFormat is how an id is written: the part of Python's format specification
// that BentoML's logging.access.format has a use for.
type idFormat struct {
	width int
	zeros bool
	verb  byte
}

// parseIDFormat reads a specification that has been validated: "032x".
func parseIDFormat(spec string) idFormat {
	f := idFormat{verb: 'd', zeros: strings.HasPrefix(spec, "0")}
	if digits := strings.TrimRight(spec, "xXd"); digits != spec {
		f.verb = spec[len(spec)-1]
		spec = digits
	}
	f.width, _ = strconv.Atoi(spec)
	return f
}

// format writes an id, which is one big-endian number.
func (f idFormat) format(id []byte) string {
	var digits string
	switch {
	case f.verb == 'x' && f.zeros && f.width == 2*len(id):
		return hex.EncodeToString(id)
	case f.verb == 'd':
		digits = new(big.Int).SetBytes(id).Text(10)
	default:
		digits = new(big.Int).SetBytes(id).Text(16)
	}
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if missing := f.width - len(digits); missing > 0 {
		fill := " "
		if f.zeros {
			fill = "0"
		}
		digits = strings.Repeat(fill, missing) + digits
	}
	return digits
}

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
	header["X-Bentoml-Request-Id"] = []string{cfg.spanID.format(id[:])}
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
	return s.traceID.format(id[:])
}

func (s *settings) span(span trace.SpanContext) string {
	id := span.SpanID()
	return s.spanID.format(id[:])
}
