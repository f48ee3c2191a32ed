package tracing

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// W3C allows tracestate in several headers. An invalid list is dropped, and the trace
// is still continued.
func TestTracestates(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"a=1,b=2"}, "a=1,b=2"},
		{[]string{"a=1", "b=2,c=3"}, "a=1,b=2,c=3"},
		{[]string{"a=1", "", "b=2"}, "a=1,b=2"},
		{[]string{"a=1", "a=2"}, ""},
		{[]string{"a=1", "=,"}, ""},
	} {
		tr, _ := record(config.Tracing{Propagators: []string{"baggage", "tracecontext"}, TrustIncoming: true, ParentBased: true})
		headers := []string{"traceparent", sampled}
		for _, h := range c.headers {
			headers = append(headers, "tracestate", h)
		}
		span := trace.SpanContextFromContext(tr.request("/shout", post(), 200, headers...))
		if got := span.TraceState().String(); got != c.want || span.TraceID().String() != callersTrace {
			t.Errorf("%q: got %q in trace %s, want %q", c.headers, got, span.TraceID(), c.want)
		}
	}
}
