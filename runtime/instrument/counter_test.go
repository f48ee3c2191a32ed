package instrument_test

import (
	"context"
	"math"
	"strings"
	"testing"
)

// A counter never decreases. A dropped value makes no series, and is counted.
func TestCounterOnlyGoesUp(t *testing.T) {
	m := newMetrics(t, true)
	ctx := context.Background()
	for _, v := range []float64{5, -3, math.NaN(), math.Inf(-1), 0.5} {
		m.counter.Add(ctx, lane{Name: "a"}, v)
	}
	m.counter.Add(ctx, lane{Name: "dropped"}, -1)
	m.open.Add(ctx, lane{}, math.NaN())
	got := m.exposition(t)
	if !strings.Contains(got, "hits_total{fast=\"false\",lane=\"a\",worker=\"0\"} 5.5\n") || strings.Contains(got, `lane="dropped"`) {
		t.Errorf("got\n%s", got)
	}
	if i := strings.Index(got, "\nekiben_metrics_invalid_total"); i < 0 || !strings.Contains(got[i:], "} 5.0\n") {
		t.Errorf("the dropped values are not counted:\n%s", got)
	}
}
