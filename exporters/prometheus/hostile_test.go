package prometheus

import (
	"context"
	"math"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestHostileMeasurements records invalid values through the SDK. The strict parser of
// prometheus_client accepts the golden OpenMetrics file.
func TestHostileMeasurements(t *testing.T) {
	r := newRig(t, DefaultConfig())
	m := r.mp.Meter("app")
	ctx := context.Background()
	for name, v := range map[string]float64{"nan": math.NaN(), "minus": -3, "inf": math.Inf(1), "minus_inf": math.Inf(-1), "good": 3} {
		must(m.Float64Counter("odd")).Add(ctx, v, label1("v", name))
		must(m.Float64UpDownCounter("even")).Add(ctx, v, label1("v", name))
		must(m.Float64Histogram("took", metric.WithExplicitBucketBoundaries(1, 5))).Record(sampled(), v, label1("v", name))
		must(m.Float64Histogram("below_zero", metric.WithExplicitBucketBoundaries(-2, 0, 2))).Record(sampled(), v, label1("v", name))
		must(m.Float64Histogram("odd_boundaries", metric.WithExplicitBucketBoundaries(math.Inf(-1), 0, math.NaN()))).Record(sampled(), v, label1("v", name))
	}
	for _, name := range []string{"a_created", "b", "b_created", "c_created", "d_total_created", "x"} {
		must(m.Int64Gauge(name)).Record(ctx, 1)
	}
	must(m.Int64Counter("a")).Add(ctx, 1)
	must(m.Int64Counter("b")).Add(ctx, 1)
	must(m.Int64Counter("x_created")).Add(ctx, 1)
	must(m.Float64Histogram("c")).Record(ctx, 1)
	must(m.Float64Histogram("d.total")).Record(ctx, 1)
	must(m.Int64Gauge("breaks", metric.WithDescription("a\rb\r\nc\u2028d\x85e"))).Record(ctx, 1, label1("v", "a\rb\r\nc\vd\fe\x1cf\x1dg\x1eh\u0085i\u2028j\u2029k\x00l\x1bm"))
	golden(t, "hostile.txt", r.page(false))
	if got := r.ScrapeErrors(); got != 1 {
		t.Errorf("ScrapeErrors %d, want 1, the counter; log:\n%s", got, r.log)
	}
	golden(t, "hostile.openmetrics.txt", maskTimes(r.page(true)))
	golden(t, "hostile.log", r.log.String())
}

// TestHostileProducers encodes contradictory data, which the SDK does not produce.
func TestHostileProducers(t *testing.T) {
	r := newRig(t, DefaultConfig())
	hist := func(name string, count uint64, bounds []float64, counts ...uint64) metricdata.Metrics {
		return metricdata.Metrics{Name: name, Data: metricdata.Histogram[float64]{DataPoints: []metricdata.HistogramDataPoint[float64]{
			{Bounds: bounds, BucketCounts: counts, Count: count, Sum: 1},
		}}}
	}
	data := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: "s"}, Metrics: []metricdata.Metrics{
		hist("falling", 3, []float64{2, 1}, 1, 1, 1),
		hist("falling_beside_nan", 3, []float64{2, math.NaN(), 1}, 1, 1, 1, 0),
		hist("more_than_all", 1, []float64{1}, 2, 0),
		hist("overflow", 5, []float64{1, 2}, math.MaxUint64, 6, 0),
		hist("good", 3, []float64{1, 2}, 1, 1, 1),
		{Name: "quantiles", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{
			{Attributes: attribute.NewSet(attribute.Int("n", 1)), Count: 2, Sum: math.NaN(), QuantileValues: []metricdata.QuantileValue{
				{Quantile: -1, Value: 1}, {Quantile: .5, Value: -1}, {Quantile: .9, Value: math.NaN()}, {Quantile: math.NaN(), Value: 1}, {Quantile: 2, Value: 1}}},
			{Attributes: attribute.NewSet(attribute.Int("n", 2)), Count: 2, Sum: -1},
		}}},
	}}
	golden(t, "contradictions.txt", encodePage(t, r.Exporter, false, data))
	golden(t, "contradictions.openmetrics.txt", encodePage(t, r.Exporter, true, data))
	golden(t, "contradictions.log", r.log.String())
}
