package scopeattr

import (
	"strings"

	"go.opentelemetry.io/otel/metric"
)

// summaryMark is the suffix of a summary's unit until a view removes it. It is an
// annotation in UCUM, so the unit stays legal if no view removes it.
const summaryMark = "{ekiben.summary}"

// SummaryUnit reports whether unit is that of a summary, and returns the unit
// that was given.
func SummaryUnit(unit string) (given string, ok bool) { return strings.CutSuffix(unit, summaryMark) }

// SummaryMeter returns m with histograms that are marked as summaries: the views
// of [views.BentoML] remove their boundaries. Other instruments are m's.
//
// [views.BentoML]: https://pkg.go.dev/github.com/ekiben-serving/ekiben/views#BentoML
func SummaryMeter(m metric.Meter) metric.Meter { return summaryMeter{m} }

type summaryMeter struct{ metric.Meter }

func (m summaryMeter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	unit := metric.NewFloat64HistogramConfig(opts...).Unit()
	return m.Meter.Float64Histogram(name, append(opts[:len(opts):len(opts)], metric.WithUnit(unit+summaryMark))...)
}

func (m summaryMeter) Int64Histogram(name string, opts ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	unit := metric.NewInt64HistogramConfig(opts...).Unit()
	return m.Meter.Int64Histogram(name, append(opts[:len(opts):len(opts)], metric.WithUnit(unit+summaryMark))...)
}
