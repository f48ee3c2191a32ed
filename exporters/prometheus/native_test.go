package prometheus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// inBothForms makes the histogram "took" of the scope "native" exponential.
var inBothForms = sdkmetric.WithView(func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	return sdkmetric.Stream{Name: i.Name, Unit: i.Unit, Description: i.Description,
		Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}}, i.Scope.Name == "a native"
})

// messages reads a protobuf exposition.
func messages(t *testing.T, r io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	decoder := expfmt.NewDecoder(bufio.NewReader(r), expfmt.Format(protobuf))
	out := map[string]*dto.MetricFamily{}
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out[f.GetName()] = &f
	}
}

// TestNative records one histogram in both forms, the exponential one in a scope
// that sorts first. The text formats have only the boundaries;
// protobuf has both forms in one series.
func TestNative(t *testing.T) {
	for _, cfg := range []Config{DefaultConfig(), {ScopeLabels: false, TargetInfo: true}} {
		r := newRig(t, cfg, inBothForms)
		r.native = true
		alone := newRig(t, cfg)
		record := func(m metric.Meter) {
			h := must(m.Float64Histogram("took", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(.1, 1)))
			for _, v := range []float64{.05, .5, .6, 7} {
				h.Record(sampled(), v, label1("endpoint", "/a"))
			}
			h.Record(context.Background(), 0, label1("endpoint", "/b"))
		}
		record(r.mp.Meter("classic"))
		record(r.mp.Meter("a native"))
		record(alone.mp.Meter("classic"))
		same(t, "classic", r.page(false), alone.page(false))
		same(t, "openmetrics", timeless(r.page(true)), timeless(alone.page(true)))
		if n := r.ScrapeErrors(); n != 0 {
			t.Errorf("%d errors:\n%s", n, r.log)
		}

		w := get(r, "Accept", prom3pb)
		families := messages(t, w.Body)
		gathered, err := r.Gatherer().Gather()
		if err != nil || len(gathered) != len(families) {
			t.Fatalf("Gather: %d families, %v; the page has %d", len(gathered), err, len(families))
		}
		checkMerged(t, families["took_seconds"])
	}
}

func timeless(page string) string {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " # ")
	}
	return strings.Join(lines, "\n")
}

func checkMerged(t *testing.T, f *dto.MetricFamily) {
	t.Helper()
	if f.GetType() != dto.MetricType_HISTOGRAM || len(f.GetMetric()) != 2 {
		t.Fatalf("took_seconds: %v, want two histograms", f)
	}
	h := f.GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 8.15 || len(h.Bucket) != 3 || h.Bucket[0].GetCumulativeCount() != 1 || h.Bucket[1].GetCumulativeCount() != 3 {
		t.Errorf("boundaries: %v", h)
	}
	if h.GetSchema() > maxSchema || h.GetSchema() < 3 || h.CreatedTimestamp == nil || len(h.Exemplars) == 0 || h.Exemplars[0].Timestamp == nil {
		t.Errorf("native: %v", h)
	}
	want := map[int]bool{} // (base^(i-1), base^i] by Prometheus' definition
	for _, v := range []float64{.05, .5, .6, 7} {
		want[int(math.Ceil(math.Log2(v)*math.Exp2(float64(h.GetSchema()))))] = true
	}
	at, n, total := int32(0), int64(0), int64(0)
	deltas := h.PositiveDelta
	for _, span := range h.PositiveSpan {
		at += span.GetOffset()
		for range span.GetLength() {
			n += deltas[0]
			deltas = deltas[1:]
			if n > 0 && !want[int(at)] {
				t.Errorf("%d in bucket %d, want %v", n, at, want)
			}
			total += n
			at++
		}
	}
	if total != 4 {
		t.Errorf("native buckets hold %d, want 4", total)
	}
	if zero := f.GetMetric()[1].GetHistogram(); zero.GetZeroCount() != 1 || zero.GetSampleCount() != 1 {
		t.Errorf("of a zero: %v", zero)
	}
}

// TestNativeDisagrees has a request in one form that is not yet in the other. The
// served count and buckets must agree, because Prometheus refuses them otherwise.
func TestNativeDisagrees(t *testing.T) {
	r := newRig(t, DefaultConfig())
	points := func(classicCount uint64) *dto.Histogram {
		s := r.take()
		defer r.give(s)
		attrs := attribute.NewSet(attribute.String("endpoint", "/a"))
		s.points = metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{
			{Scope: instrumentation.Scope{Name: "a"}, Metrics: []metricdata.Metrics{{Name: "took", Data: metricdata.Histogram[float64]{
				Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{{
					Attributes: attrs, Count: classicCount, Sum: 1, Bounds: []float64{1}, BucketCounts: []uint64{classicCount, 0}}}}}}},
			{Scope: instrumentation.Scope{Name: "b"}, Metrics: []metricdata.Metrics{{Name: "took", Data: metricdata.ExponentialHistogram[float64]{
				Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{
					Attributes: attrs, Count: 2, Sum: 1, Scale: 10, PositiveBucket: metricdata.ExponentialBucket{Offset: -1, Counts: []uint64{1, 1}}}}}}}},
		}}
		s.index.update(&s.points)
		var b bytes.Buffer
		check.Must(t, s.encode(&b, variant{format: protobuf}))
		return messages(t, &b)["took"].GetMetric()[0].GetHistogram()
	}
	for _, n := range []uint64{1, 2, 3} {
		if got := points(n); got.GetSampleCount() != 2 || got.Bucket[0].GetCumulativeCount() != min(n, 2) || got.GetSchema() != maxSchema {
			t.Errorf("%d in the classic form: %v", n, got)
		}
	}
}

// TestNativeScale has a scale without a schema in Prometheus.
func TestNativeScale(t *testing.T) {
	h := &dto.Histogram{}
	st := &stream{data: exponentials[int64]{{Scale: -5}}}
	_, err := withNative(h, []*series{{stream: st}})
	check.Error(t, err, "must have a scale of -4 at least to be a native histogram, found -5")
}
