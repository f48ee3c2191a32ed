package instrument

import (
	"errors"
	"fmt"
	"math"
)

// DefaultMaxSeries is how many label sets one metric keeps without [MaxSeries].
const DefaultMaxSeries = 1000

// Option configures an instrument of any kind.
type Option interface {
	HistogramOption
	apply(*settings)
}

// HistogramOption configures a histogram. Every [Option] is also a HistogramOption.
type HistogramOption interface{ applyHistogram(*settings) }

type settings struct {
	help    string
	unit    string
	buckets *[]float64 // nil: not given
	limit   int
	err     error // an option is nil
}

type option func(*settings)

func (o option) apply(s *settings)          { o(s) }
func (o option) applyHistogram(s *settings) { o(s) }

type histogramOption func(*settings)

func (o histogramOption) applyHistogram(s *settings) { o(s) }

// Help sets the description, the HELP line of /metrics. Default: empty.
func Help(text string) Option { return option(func(s *settings) { s.help = text }) }

// Unit sets the unit, in UCUM: "s", "By". The name must end with the unit as
// Prometheus spells it: _seconds, _bytes. Default: none.
func Unit(unit string) Option { return option(func(s *settings) { s.unit = unit }) }

// MaxSeries limits the label sets of the metric. Default: [DefaultMaxSeries]. 0 or
// less removes this limit; metrics.max_series still applies. Then recording to label sets
// beyond the first 4096 takes longer.
func MaxSeries(n int) Option { return option(func(s *settings) { s.limit = n }) }

// Buckets sets the boundaries of a histogram, in its unit. They must be finite and
// increase; a trailing +Inf is accepted and has no effect. At least one finite
// boundary is required; use [NewSummary] for a metric without boundaries. Default:
// OpenTelemetry's, 0, 5, 10, 25 … 10000, which rarely fit.
func Buckets(boundaries ...float64) HistogramOption {
	return histogramOption(func(s *settings) { s.buckets = &boundaries })
}

func apply(opts []Option) settings {
	return applyAll(opts, func(opt Option, s *settings) { opt.apply(s) })
}

func applyHistogram(opts []HistogramOption) settings {
	return applyAll(opts, func(opt HistogramOption, s *settings) { opt.applyHistogram(s) })
}

func applyAll[O comparable](opts []O, apply func(O, *settings)) settings {
	s := settings{limit: DefaultMaxSeries}
	for i, opt := range opts {
		if opt == *new(O) {
			s.err = errors.Join(s.err, fmt.Errorf("option %d must not be nil", i+1))
			continue
		}
		apply(opt, &s)
	}
	return s
}

// boundaries returns the configured boundaries without a trailing +Inf, or nil for
// the default.
func (s settings) boundaries() ([]float64, error) {
	if s.buckets == nil {
		return nil, nil
	}
	bounds := *s.buckets
	if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], 1) {
		bounds = bounds[:n-1]
	}
	if len(bounds) == 0 {
		return nil, fmt.Errorf("buckets: must have at least one finite boundary, found %v", *s.buckets)
	}
	var errs []error
	for i, b := range bounds {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			errs = append(errs, fmt.Errorf("buckets[%d]: must be a finite number, found %v", i, b))
		} else if i > 0 && b <= bounds[i-1] {
			errs = append(errs, fmt.Errorf("buckets[%d]: must be greater than the boundary before it (%v), found %v", i, bounds[i-1], b))
		}
	}
	return bounds, errors.Join(errs...)
}
