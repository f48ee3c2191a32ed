package instrument_test

import (
	"context"
	"math"
	"strings"
	"testing"
)

// A counter never decreases. A dropped value makes no series.
func TestCounterOnlyGoesUp(t *testing.T) {
	m := newMetrics(t, true)
	ctx := context.Background()
	for _, v := range []float64{5, -3, math.NaN(), math.Inf(-1), 0.5} {
		m.counter.Add(ctx, lane{Name: "a"}, v)
	}
	m.counter.Add(ctx, lane{Name: "dropped"}, -1)
	got := m.custom(t)
	if !strings.Contains(got, "hits_total{fast=\"false\",lane=\"a\",worker=\"0\"} 5.5\n") || strings.Contains(got, "dropped") {
		t.Errorf("got\n%s", got)
	}
}
