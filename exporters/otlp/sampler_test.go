package otlp_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// The share can be changed while the sampler is used.
func TestSampler(t *testing.T) {
	s := otlp.NewSampler(0)
	for _, c := range []struct {
		ratio       float64
		want        sdktrace.SamplingDecision
		description string
	}{
		{0, sdktrace.Drop, "TraceIDRatioBased{0}"}, {1, sdktrace.RecordAndSample, "TraceIDRatioBased{1}"}, {2, sdktrace.RecordAndSample, "TraceIDRatioBased{1}"}, {-1, sdktrace.Drop, "TraceIDRatioBased{0}"},
	} {
		s.SetRatio(c.ratio)
		if got := s.ShouldSample(sdktrace.SamplingParameters{TraceID: [16]byte{8: 1}}).Decision; got != c.want || s.Description() != c.description {
			t.Errorf("%g: got %v by %s", c.ratio, got, s.Description())
		}
	}
}
