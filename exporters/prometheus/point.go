package prometheus

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// kind is a family's type as its TYPE line says it.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
	summary   kind = "summary"
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

// shape is what a stream's data says about its family: the type on the page,
// and the type by which the name is translated, which tells an up-down counter
// from a gauge.
type shape struct {
	kind kind
	form otlptranslator.MetricType
}

var errDelta = errors.New("temporality must be cumulative, found delta")

// classify returns the shape of data and the number of its points. A histogram
// whose first point has no boundaries is a summary: a stream's boundaries are
// one for all its points.
func classify(data metricdata.Aggregation) (shape, int, error) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return sumShape(d.IsMonotonic), len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.Sum[float64]:
		return sumShape(d.IsMonotonic), len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.Gauge[int64]:
		return shape{gauge, otlptranslator.MetricTypeGauge}, len(d.DataPoints), nil
	case metricdata.Gauge[float64]:
		return shape{gauge, otlptranslator.MetricTypeGauge}, len(d.DataPoints), nil
	case metricdata.Histogram[int64]:
		return histogramShape(d.DataPoints), len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.Histogram[float64]:
		return histogramShape(d.DataPoints), len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[int64]:
		return shape{histogram, otlptranslator.MetricTypeExponentialHistogram}, len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[float64]:
		return shape{histogram, otlptranslator.MetricTypeExponentialHistogram}, len(d.DataPoints), cumulative(d.Temporality)
	case metricdata.Summary:
		return shape{summary, otlptranslator.MetricTypeSummary}, len(d.DataPoints), nil
	}
	return shape{}, 1, fmt.Errorf("aggregation must be a sum, gauge, histogram or summary, found %T", data)
}

func cumulative(t metricdata.Temporality) error {
	if t == metricdata.DeltaTemporality {
		return errDelta
	}
	return nil
}

func sumShape(monotonic bool) shape {
	if monotonic {
		return shape{counter, otlptranslator.MetricTypeMonotonicCounter}
	}
	return shape{gauge, otlptranslator.MetricTypeNonMonotonicCounter}
}

func histogramShape[N int64 | float64](points []metricdata.HistogramDataPoint[N]) shape {
	if len(points) > 0 && len(points[0].Bounds) == 0 {
		return shape{summary, otlptranslator.MetricTypeHistogram}
	}
	return shape{histogram, otlptranslator.MetricTypeHistogram}
}

// attributesOf returns the attributes of point i.
func attributesOf(data metricdata.Aggregation, i int) *attribute.Set {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Sum[float64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Gauge[int64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Gauge[float64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Histogram[int64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Histogram[float64]:
		return &d.DataPoints[i].Attributes
	case metricdata.ExponentialHistogram[int64]:
		return &d.DataPoints[i].Attributes
	case metricdata.ExponentialHistogram[float64]:
		return &d.DataPoints[i].Attributes
	case metricdata.Summary:
		return &d.DataPoints[i].Attributes
	}
	return nil
}

// point is one data point of any kind and number.
type point struct {
	value     float64 // of a counter or gauge; otherwise the sum
	count     uint64
	start     time.Time
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

// load makes p the point i of data. What p holds points into data.
func (p *point) load(data metricdata.Aggregation, i int) {
	*p = point{exemplars: p.exemplars[:0]}
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		loadNumber(p, &d.DataPoints[i])
	case metricdata.Sum[float64]:
		loadNumber(p, &d.DataPoints[i])
	case metricdata.Gauge[int64]:
		loadNumber(p, &d.DataPoints[i])
	case metricdata.Gauge[float64]:
		loadNumber(p, &d.DataPoints[i])
	case metricdata.Histogram[int64]:
		loadHistogram(p, &d.DataPoints[i])
	case metricdata.Histogram[float64]:
		loadHistogram(p, &d.DataPoints[i])
	case metricdata.ExponentialHistogram[int64]:
		loadExponential(p, &d.DataPoints[i])
	case metricdata.ExponentialHistogram[float64]:
		loadExponential(p, &d.DataPoints[i])
	case metricdata.Summary:
		dp := &d.DataPoints[i]
		p.value, p.count, p.quantiles, p.start = dp.Sum, dp.Count, dp.QuantileValues, dp.StartTime
	}
}

func loadNumber[N int64 | float64](p *point, dp *metricdata.DataPoint[N]) {
	p.value, p.start = float64(dp.Value), dp.StartTime
	loadExemplars(p, dp.Exemplars)
}

func loadHistogram[N int64 | float64](p *point, dp *metricdata.HistogramDataPoint[N]) {
	p.value, p.count, p.start = float64(dp.Sum), dp.Count, dp.StartTime
	p.bounds, p.counts = dp.Bounds, dp.BucketCounts
	loadExemplars(p, dp.Exemplars)
}

// loadExponential leaves the buckets out: the text formats have no notation
// for them, and their boundaries move between scrapes. native.go reads them.
func loadExponential[N int64 | float64](p *point, dp *metricdata.ExponentialHistogramDataPoint[N]) {
	p.value, p.count, p.start = float64(dp.Sum), dp.Count, dp.StartTime
	loadExemplars(p, dp.Exemplars)
}

func loadExemplars[N int64 | float64](p *point, list []metricdata.Exemplar[N]) {
	for i := range list {
		x := &list[i]
		p.exemplars = append(p.exemplars, exemplar{
			value: float64(x.Value), time: x.Time,
			trace: x.TraceID, span: x.SpanID, filtered: x.FilteredAttributes,
		})
	}
}
