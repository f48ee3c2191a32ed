package otlp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// encodeMetrics converts collected metrics to protobuf messages and counts
// their data points. It leaves out metrics that OTLP cannot express; the error
// names them. Illegal UTF-8 becomes U+FFFD, because protobuf would refuse the whole request.
func encodeMetrics(rm *metricdata.ResourceMetrics) (data *metricspb.MetricsData, points int, err error) {
	out := &metricspb.ResourceMetrics{
		Resource:  &resourcepb.Resource{Attributes: encodeSet(*rm.Resource.Set())},
		SchemaUrl: legal(rm.Resource.SchemaURL()),
	}
	var all []error
	for _, scope := range rm.ScopeMetrics {
		metrics := make([]*metricspb.Metric, 0, len(scope.Metrics))
		for _, m := range scope.Metrics {
			metric, n, err := encodeMetric(m)
			if err != nil {
				all = append(all, fmt.Errorf("metric %q of scope %q: %w", m.Name, scope.Scope.Name, err))
				continue
			}
			points += n
			metrics = append(metrics, metric)
		}
		out.ScopeMetrics = append(out.ScopeMetrics, &metricspb.ScopeMetrics{
			Scope: &commonpb.InstrumentationScope{
				Name: legal(scope.Scope.Name), Version: legal(scope.Scope.Version), Attributes: encodeSet(scope.Scope.Attributes),
			},
			Metrics: metrics, SchemaUrl: legal(scope.Scope.SchemaURL),
		})
	}
	return &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{out}}, points, errors.Join(all...)
}

// encodeMetric converts one metric and counts its points. Only this function lists
// every type of aggregation.
func encodeMetric(m metricdata.Metrics) (out *metricspb.Metric, points int, err error) {
	out = &metricspb.Metric{Name: legal(m.Name), Description: legal(m.Description), Unit: legal(m.Unit)}
	switch data := m.Data.(type) {
	case metricdata.Gauge[int64]:
		out.Data, points = encodeGauge(data), len(data.DataPoints)
	case metricdata.Gauge[float64]:
		out.Data, points = encodeGauge(data), len(data.DataPoints)
	case metricdata.Sum[int64]:
		out.Data, points = encodeSum(data), len(data.DataPoints)
	case metricdata.Sum[float64]:
		out.Data, points = encodeSum(data), len(data.DataPoints)
	case metricdata.Histogram[int64]:
		out.Data, points = encodeHistogram(data), len(data.DataPoints)
	case metricdata.Histogram[float64]:
		out.Data, points = encodeHistogram(data), len(data.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		out.Data, points = encodeExponential(data), len(data.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		out.Data, points = encodeExponential(data), len(data.DataPoints)
	case metricdata.Summary:
		out.Data, points = encodeSummary(data), len(data.DataPoints)
	default:
		err = fmt.Errorf("OTLP has no aggregation %T", m.Data)
	}
	return out, points, err
}

type number interface{ int64 | float64 }

func encodeGauge[N number](g metricdata.Gauge[N]) *metricspb.Metric_Gauge {
	return &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: each(g.DataPoints, encodePoint)}}
}

func encodeSum[N number](s metricdata.Sum[N]) *metricspb.Metric_Sum {
	return &metricspb.Metric_Sum{Sum: &metricspb.Sum{
		AggregationTemporality: temporality(s.Temporality), IsMonotonic: s.IsMonotonic, DataPoints: each(s.DataPoints, encodePoint),
	}}
}

func encodePoint[N number](p metricdata.DataPoint[N]) *metricspb.NumberDataPoint {
	out := &metricspb.NumberDataPoint{
		Attributes: encodeSet(p.Attributes), StartTimeUnixNano: nanos(p.StartTime), TimeUnixNano: nanos(p.Time), Exemplars: each(p.Exemplars, encodeExemplar),
	}
	switch v := any(p.Value).(type) {
	case int64:
		out.Value = &metricspb.NumberDataPoint_AsInt{AsInt: v}
	case float64:
		out.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: v}
	}
	return out
}

func encodeHistogram[N number](h metricdata.Histogram[N]) *metricspb.Metric_Histogram {
	return &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
		AggregationTemporality: temporality(h.Temporality),
		DataPoints: each(h.DataPoints, func(p metricdata.HistogramDataPoint[N]) *metricspb.HistogramDataPoint {
			sum := float64(p.Sum)
			return &metricspb.HistogramDataPoint{
				Attributes: encodeSet(p.Attributes), StartTimeUnixNano: nanos(p.StartTime), TimeUnixNano: nanos(p.Time),
				Count: p.Count, Sum: &sum, Min: extreme(p.Min), Max: extreme(p.Max),
				BucketCounts: p.BucketCounts, ExplicitBounds: p.Bounds, Exemplars: each(p.Exemplars, encodeExemplar),
			}
		}),
	}}
}

func encodeExponential[N number](h metricdata.ExponentialHistogram[N]) *metricspb.Metric_ExponentialHistogram {
	buckets := func(b metricdata.ExponentialBucket) *metricspb.ExponentialHistogramDataPoint_Buckets {
		return &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: b.Offset, BucketCounts: b.Counts}
	}
	return &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{
		AggregationTemporality: temporality(h.Temporality),
		DataPoints: each(h.DataPoints, func(p metricdata.ExponentialHistogramDataPoint[N]) *metricspb.ExponentialHistogramDataPoint {
			sum := float64(p.Sum)
			return &metricspb.ExponentialHistogramDataPoint{
				Attributes: encodeSet(p.Attributes), StartTimeUnixNano: nanos(p.StartTime), TimeUnixNano: nanos(p.Time),
				Count: p.Count, Sum: &sum, Min: extreme(p.Min), Max: extreme(p.Max),
				Scale: p.Scale, ZeroCount: p.ZeroCount, ZeroThreshold: p.ZeroThreshold,
				Positive: buckets(p.PositiveBucket), Negative: buckets(p.NegativeBucket), Exemplars: each(p.Exemplars, encodeExemplar),
			}
		}),
	}}
}

func encodeSummary(s metricdata.Summary) *metricspb.Metric_Summary {
	return &metricspb.Metric_Summary{Summary: &metricspb.Summary{
		DataPoints: each(s.DataPoints, func(p metricdata.SummaryDataPoint) *metricspb.SummaryDataPoint {
			return &metricspb.SummaryDataPoint{
				Attributes: encodeSet(p.Attributes), StartTimeUnixNano: nanos(p.StartTime), TimeUnixNano: nanos(p.Time), Count: p.Count, Sum: p.Sum,
				QuantileValues: each(p.QuantileValues, func(q metricdata.QuantileValue) *metricspb.SummaryDataPoint_ValueAtQuantile {
					return &metricspb.SummaryDataPoint_ValueAtQuantile{Quantile: q.Quantile, Value: q.Value}
				}),
			}
		}),
	}}
}

func encodeExemplar[N number](e metricdata.Exemplar[N]) *metricspb.Exemplar {
	out := &metricspb.Exemplar{FilteredAttributes: each(e.FilteredAttributes, encodeAttribute), TimeUnixNano: nanos(e.Time), SpanId: e.SpanID, TraceId: e.TraceID}
	switch v := any(e.Value).(type) {
	case int64:
		out.Value = &metricspb.Exemplar_AsInt{AsInt: v}
	case float64:
		out.Value = &metricspb.Exemplar_AsDouble{AsDouble: v}
	}
	return out
}

// extreme returns a minimum or maximum; nil if it was not recorded.
func extreme[N number](e metricdata.Extrema[N]) *float64 {
	v, ok := e.Value()
	if !ok {
		return nil
	}
	f := float64(v)
	return &f
}

func temporality(t metricdata.Temporality) metricspb.AggregationTemporality {
	switch t {
	case metricdata.DeltaTemporality:
		return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	case metricdata.CumulativeTemporality:
		return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	}
	return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED
}

// nanos returns the Unix time in nanoseconds; 0, which means "not known" in OTLP, for
// times before 1970, such as the zero time.
func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// legal replaces bytes that are not UTF-8. proto.Marshal fails for a string that has
// any, and then nothing would be sent.
func legal(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// each converts a list. It returns nil for an empty list, which protobuf omits.
func each[In, Out any](list []In, convert func(In) Out) []Out {
	if len(list) == 0 {
		return nil
	}
	out := make([]Out, len(list))
	for i, in := range list {
		out[i] = convert(in)
	}
	return out
}

func encodeSet(set attribute.Set) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, 0, set.Len())
	for all := set.Iter(); all.Next(); {
		out = append(out, encodeAttribute(all.Attribute()))
	}
	return out
}

func encodeAttribute(kv attribute.KeyValue) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: legal(string(kv.Key)), Value: encodeValue(kv.Value)}
}
