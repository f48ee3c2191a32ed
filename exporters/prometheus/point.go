package prometheus

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// kind is a family's type, as written on its TYPE line.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
	summary   kind = "summary"
	unknown   kind = "unknown" // in OpenMetrics only
)

// special returns the label that the format itself adds to series of this
// kind, or "".
func (k kind) special() string {
	switch k {
	case histogram:
		return "le"
	case summary:
		return "quantile"
	}
	return ""
}

// shape is the type of a stream: the one on its TYPE line, and the one that decides
// how its name is translated, which differs for up-down counters and gauges.
type shape struct {
	kind kind
	form otlptranslator.MetricType
}

var errDelta = errors.New("temporality must be cumulative, found delta")

// points are the data points of one stream, of any kind and number type.
type points interface {
	len() int
	attributes(i int) *attribute.Set
	// load makes p the point i. p then refers to the stream's memory.
	load(p *point, i int)
}

// The points of each aggregation, in the SDK's memory: a collection copies none of them.
type (
	numbers[N int64 | float64]      []metricdata.DataPoint[N]
	histograms[N int64 | float64]   []metricdata.HistogramDataPoint[N]
	exponentials[N int64 | float64] []metricdata.ExponentialHistogramDataPoint[N]
	summaries                       []metricdata.SummaryDataPoint
)

// adapt returns the shape and the points of data. Only this function lists every type
// of aggregation.
func adapt(data metricdata.Aggregation) (shape, points, error) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return sumShape(d.IsMonotonic), numbers[int64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.Sum[float64]:
		return sumShape(d.IsMonotonic), numbers[float64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.Gauge[int64]:
		return shape{gauge, otlptranslator.MetricTypeGauge}, numbers[int64](d.DataPoints), nil
	case metricdata.Gauge[float64]:
		return shape{gauge, otlptranslator.MetricTypeGauge}, numbers[float64](d.DataPoints), nil
	case metricdata.Histogram[int64]:
		return histograms[int64](d.DataPoints).shape(), histograms[int64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.Histogram[float64]:
		return histograms[float64](d.DataPoints).shape(), histograms[float64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[int64]:
		return shape{histogram, otlptranslator.MetricTypeExponentialHistogram}, exponentials[int64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[float64]:
		return shape{histogram, otlptranslator.MetricTypeExponentialHistogram}, exponentials[float64](d.DataPoints), cumulative(d.Temporality)
	case metricdata.Summary:
		return shape{summary, otlptranslator.MetricTypeSummary}, summaries(d.DataPoints), nil
	}
	return shape{}, nil, fmt.Errorf("aggregation must be a sum, gauge, histogram or summary, found %T", data)
}

// cumulative returns an error for deltas, which Prometheus would take for resets of a
// counter.
func cumulative(t metricdata.Temporality) error {
	if t == metricdata.DeltaTemporality {
		return errDelta
	}
	return nil
}

// sumShape returns a gauge for an up-down counter, because a counter of Prometheus cannot
// decrease.
func sumShape(monotonic bool) shape {
	if monotonic {
		return shape{counter, otlptranslator.MetricTypeMonotonicCounter}
	}
	return shape{gauge, otlptranslator.MetricTypeNonMonotonicCounter}
}

// shape returns a summary if the first point has no boundaries. All points of a stream
// have the same boundaries.
func (h histograms[N]) shape() shape {
	if len(h) > 0 && len(h[0].Bounds) == 0 {
		return shape{summary, otlptranslator.MetricTypeHistogram}
	}
	return shape{histogram, otlptranslator.MetricTypeHistogram}
}

func (n numbers[N]) len() int      { return len(n) }
func (h histograms[N]) len() int   { return len(h) }
func (x exponentials[N]) len() int { return len(x) }
func (s summaries) len() int       { return len(s) }

func (n numbers[N]) attributes(i int) *attribute.Set      { return &n[i].Attributes }
func (h histograms[N]) attributes(i int) *attribute.Set   { return &h[i].Attributes }
func (x exponentials[N]) attributes(i int) *attribute.Set { return &x[i].Attributes }
func (s summaries) attributes(i int) *attribute.Set       { return &s[i].Attributes }

// point is one data point of any kind and number type.
type point struct {
	value     float64 // of a counter or gauge; otherwise the sum
	count     uint64
	start     time.Time
	time      time.Time // of a counter or gauge
	bounds    []float64
	counts    []uint64 // of each bucket, not cumulated
	quantiles []metricdata.QuantileValue
	exemplars []exemplar
}

// exemplar is metricdata.Exemplar without its type parameter.
type exemplar struct {
	value    float64
	time     time.Time
	trace    []byte
	span     []byte
	filtered []attribute.KeyValue
}

func (n numbers[N]) load(p *point, i int) {
	*p = point{value: float64(n[i].Value), start: n[i].StartTime, time: n[i].Time, exemplars: loadExemplars(p.exemplars, n[i].Exemplars)}
}

func (h histograms[N]) load(p *point, i int) {
	dp := &h[i]
	*p = point{value: float64(dp.Sum), count: dp.Count, start: dp.StartTime, bounds: dp.Bounds, counts: dp.BucketCounts,
		exemplars: loadExemplars(p.exemplars, dp.Exemplars)}
}

// load leaves out the buckets, which native.go reads. The text formats have no
// notation for them, and their boundaries change between scrapes.
func (x exponentials[N]) load(p *point, i int) {
	dp := &x[i]
	*p = point{value: float64(dp.Sum), count: dp.Count, start: dp.StartTime, exemplars: loadExemplars(p.exemplars, dp.Exemplars)}
}

func (s summaries) load(p *point, i int) {
	dp := &s[i]
	*p = point{value: dp.Sum, count: dp.Count, quantiles: dp.QuantileValues, start: dp.StartTime, exemplars: p.exemplars[:0]}
}

// loadExemplars returns list in the memory of into, which belongs to the point before.
func loadExemplars[N int64 | float64](into []exemplar, list []metricdata.Exemplar[N]) []exemplar {
	into = into[:0]
	for i := range list {
		x := &list[i]
		into = append(into, exemplar{
			value: float64(x.Value), time: x.Time,
			trace: x.TraceID, span: x.SpanID, filtered: x.FilteredAttributes,
		})
	}
	return into
}

// The errors of check. Each is the predicate of a message about a series.
var (
	errValue  = errors.New("must have a value of at least 0")
	errCounts = errors.New("must have one count more than boundaries")
	errOrder  = errors.New("must have boundaries that increase")
	errTotal  = errors.New("must not count more observations in its buckets than in total")
)

// check returns an error for a point that no format can express: a counter that is
// NaN or negative, or a histogram whose buckets contradict each other. It renders the
// boundaries.
func (p *point) check(k kind, les *boundaries) error {
	switch k {
	case counter:
		if !(p.value >= 0) {
			return fmt.Errorf("%w, found %v", errValue, p.value)
		}
	case histogram:
		if len(p.counts) < len(p.bounds) {
			return errCounts
		}
		les.render(p.bounds)
		if len(p.bounds) > 0 && !les.sorted {
			return errOrder
		}
		total := uint64(0)
		for _, n := range p.counts[:len(p.bounds)] {
			if total += n; total < n || total > p.count {
				return errTotal
			}
		}
	}
	return nil
}
