package accesslog

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// IDs writes the ids of requests and traces as logging.access.format says.
type IDs struct{ trace, span idFormat }

// NewIDs reads formats that have been validated.
func NewIDs(cfg config.IDFormat) IDs {
	return IDs{trace: parseIDFormat(cfg.TraceID), span: parseIDFormat(cfg.SpanID)}
}

// Request returns the id of a request: its span's, or a random one without a
// span, as in BentoML.
func (f IDs) Request(span trace.SpanContext) string {
	id := span.SpanID()
	if !span.IsValid() {
		binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	}
	return f.span.format(id[:])
}

// Trace returns the id of a span's trace.
func (f IDs) Trace(span trace.SpanContext) string {
	id := span.TraceID()
	return f.trace.format(id[:])
}

// Span returns the id of a span.
func (f IDs) Span(span trace.SpanContext) string {
	id := span.SpanID()
	return f.span.format(id[:])
}

// Attrs returns a request's ids for the log: its own, "" for none, and those of
// the span in ctx.
func (f IDs) Attrs(ctx context.Context, request string) (attrs []slog.Attr) {
	if request != "" {
		attrs = append(attrs, slog.String("request_id", request))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", f.Trace(span)), slog.String("span_id", f.Span(span)))
	}
	return attrs
}

// idFormat is the part of Python's format specification that is useful for ids.
type idFormat struct {
	width int
	zeros bool
	verb  byte
}

// parseIDFormat reads a specification such as "032x".
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
