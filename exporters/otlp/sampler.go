package otlp

import (
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Sampler records a share of the new traces, which can be changed while it is
// used. Put it inside [sdktrace.ParentBased] to follow the caller's decision.
type Sampler struct {
	current atomic.Pointer[sdktrace.Sampler]
}

// NewSampler returns a sampler that records the given share, from 0 to 1.
func NewSampler(ratio float64) *Sampler {
	s := &Sampler{}
	s.SetRatio(ratio)
	return s
}

// SetRatio changes the share.
func (s *Sampler) SetRatio(ratio float64) {
	sampler := sdktrace.TraceIDRatioBased(ratio)
	s.current.Store(&sampler)
}

// ShouldSample decides by the trace's id.
func (s *Sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return (*s.current.Load()).ShouldSample(p)
}

// Description names the sampler in use.
func (s *Sampler) Description() string { return (*s.current.Load()).Description() }
