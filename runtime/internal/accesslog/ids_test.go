package accesslog

import (
	"regexp"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The id of a request is the id of its span, in the format of logging.access.format.
// Without a span, each request has a random id.
func TestRequestIDs(t *testing.T) {
	for spec, c := range map[string]struct{ id, random string }{
		"016x": {"000000000000000b", `^[0-9a-f]{16}$`},
		"X":    {"B", `^[0-9A-F]{1,16}$`},
		"020d": {"00000000000000000011", `^[0-9]{20}$`},
		"":     {"11", `^[0-9]{1,20}$`},
	} {
		format := check.Value(config.ParseIDFormat(spec))(t)
		ids := IDs{config.IDFormats{SpanID: format, TraceID: format}}
		if got := ids.Request(span); got != c.id || ids.Span(span) != c.id {
			t.Errorf("%q: got %s, want %s", spec, got, c.id)
		}
		one, other := ids.Request(trace.SpanContext{}), ids.Request(trace.SpanContext{})
		if one == other || !regexp.MustCompile(c.random).MatchString(one) {
			t.Errorf("%q: got %s, then %s", spec, one, other)
		}
	}
}

// The log has the ids that exist.
func TestIDAttrs(t *testing.T) {
	ids := IDs{config.Default().Logging.AccessLog.Format}
	traced := trace.ContextWithSpanContext(t.Context(), span)
	for got, want := range map[int]int{
		len(ids.Attrs(t.Context(), "")): 0, len(ids.Attrs(t.Context(), "1")): 1, len(ids.Attrs(traced, "")): 2, len(ids.Attrs(traced, "1")): 3,
	} {
		if got != want {
			t.Errorf("%d attributes, want %d", got, want)
		}
	}
}
