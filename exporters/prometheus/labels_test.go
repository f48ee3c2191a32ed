package prometheus

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// "…the values MUST be concatenated together, separated by ;, and ordered by the
// lexicographical order of the original keys", says OpenTelemetry, of a point's
// attributes and of a scope's.
func TestCollidingAttributes(t *testing.T) {
	for want, attrs := range map[string][]attribute.KeyValue{
		`{a_b="2;1"}`:           {attribute.String("a_b", "1"), attribute.String("a.b", "2")},
		`{a_b="1;2"}`:           {attribute.String("a_b", "2"), attribute.String("a.b", "1")},
		`{a_b="same;same"}`:     {attribute.String("a_b", "same"), attribute.String("a.b", "same")},
		`{a_b="4;3;2;1",b="0"}`: {attribute.Int("b", 0), attribute.Int("a~b", 1), attribute.Int("a_b", 2), attribute.Int("a/b", 3), attribute.Int("a-b", 4)},
	} {
		r := newRig(t, Config{ScopeLabels: true})
		m := r.mp.Meter("app", metric.WithInstrumentationAttributes(attrs...))
		must(m.Int64Gauge("x")).Record(context.Background(), 1, metric.WithAttributes(attrs...))
		for _, page := range []string{r.page(false), r.page(true)} {
			for _, prefix := range []string{"", "otel_scope_"} {
				joined := prefix + strings.Split(strings.Trim(want, "{}"), ",")[0]
				if !strings.Contains(page, "{"+joined) && !strings.Contains(page, ","+joined) {
					t.Errorf("got\n%s\nwant %s", page, joined)
				}
			}
		}
	}
}
