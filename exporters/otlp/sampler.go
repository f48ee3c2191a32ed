package otlp

import (
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Sampler records a share of the traces, by their ids. The share can be changed
// at any time. Wrap it in [sdktrace.ParentBased] to follow the caller's
// decision.
type Sampler struct {
	current atomic.Pointer[sdktrace.Sampler]
}

// NewSampler returns a sampler of the given share, from 0 to 1. Smaller values
// mean 0, larger ones 1.
func NewSampler(ratio float64) *Sampler {
	s := &Sampler{}
	s.SetRatio(ratio)
	return s
}

// SetRatio changes the share. It may be called while the sampler is used.
func (s *Sampler) SetRatio(ratio float64) {
	sampler := sdktrace.TraceIDRatioBased(ratio)
	s.current.Store(&sampler)
}

// ShouldSample decides by the trace's id.
func (s *Sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return (*s.current.Load()).ShouldSample(p)
}

// Description names the current sampler.
func (s *Sampler) Description() string { return (*s.current.Load()).Description() }
