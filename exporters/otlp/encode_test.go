package otlp_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

var (
	began  = time.Unix(1_700_000_000, 5)
	ended  = began.Add(time.Minute)
	values = attribute.NewSet( // one of each type
		attribute.Bool("bool", true), attribute.Int("int", -3), attribute.Float64("float", math.Inf(1)), attribute.String("string", "é"),
		attribute.BoolSlice("bools", []bool{true, false}), attribute.Int64Slice("ints", []int64{1, -2}), attribute.Float64Slice("floats", []float64{.5}),
		attribute.StringSlice("strings", []string{"a", ""}), attribute.StringSlice("none", nil),
		attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte("\xff\x00"))},
		attribute.KeyValue{Key: "list", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("x"))},
		attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.Bool("in", true), attribute.String("out", "y"))},
		attribute.KeyValue{Key: "empty"},
	)
)

// numbers returns one metric for each aggregation, with numbers of type N.
func numbers[N int64 | float64](of string, n N) []metricdata.Metrics {
	points := []metricdata.DataPoint[N]{
		{Attributes: values, StartTime: began, Time: ended, Value: n, Exemplars: []metricdata.Exemplar[N]{
			{FilteredAttributes: values.ToSlice(), Time: ended, Value: n, SpanID: []byte("12345678"), TraceID: []byte("1234567812345678")}, {},
		}},
		{Value: -n},
	}
	histogram := metricdata.HistogramDataPoint[N]{Attributes: values, StartTime: began, Time: ended, Count: 3, Sum: n, Bounds: []float64{1, 2}, BucketCounts: []uint64{1, 2, 0},
		Min: metricdata.NewExtrema(-n), Max: metricdata.NewExtrema(n), Exemplars: points[0].Exemplars}
	exponential := metricdata.ExponentialHistogramDataPoint[N]{Attributes: values, StartTime: began, Time: ended, Count: 6, Sum: n, Scale: -2, ZeroCount: 1, ZeroThreshold: .25,
		PositiveBucket: metricdata.ExponentialBucket{Offset: 3, Counts: []uint64{1, 0, 2}}, NegativeBucket: metricdata.ExponentialBucket{Offset: -4, Counts: []uint64{2}},
		Min: metricdata.NewExtrema(-n), Max: metricdata.NewExtrema(n), Exemplars: points[0].Exemplars}
	return []metricdata.Metrics{
		{Name: of + "gauge", Description: "d", Unit: "By", Data: metricdata.Gauge[N]{DataPoints: points}},
		{Name: of + "sum", Data: metricdata.Sum[N]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points}},
		{Name: of + "delta", Data: metricdata.Sum[N]{Temporality: metricdata.DeltaTemporality, DataPoints: points}},
		{Name: of + "histogram", Data: metricdata.Histogram[N]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[N]{histogram, {}}}},
		{Name: of + "exponential", Data: metricdata.ExponentialHistogram[N]{Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.ExponentialHistogramDataPoint[N]{exponential, {}}}},
		{Name: of + "none", Data: metricdata.Gauge[N]{}},
	}
}

// everything returns metrics of each kind, and the number of their points.
func everything() (rm *metricdata.ResourceMetrics, points int64) {
	summary := metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{
		{Attributes: values, StartTime: began, Time: ended, Count: 2, Sum: 3, QuantileValues: []metricdata.QuantileValue{{Quantile: .5, Value: 1}, {Quantile: .9, Value: 2}}}, {},
	}}
	return &metricdata.ResourceMetrics{
		Resource: resource.NewWithAttributes("https://schema", values.ToSlice()...),
		ScopeMetrics: []metricdata.ScopeMetrics{
			{Scope: instrumentation.Scope{Name: "a", Version: "1", SchemaURL: "https://scope", Attributes: values}, Metrics: numbers[int64]("int.", math.MaxInt64)},
			{Scope: instrumentation.Scope{Name: "b"}, Metrics: append(numbers("float.", math.SmallestNonzeroFloat64), metricdata.Metrics{Name: "summary", Data: summary})},
			{},
		},
	}, 2*5*2 + 2
}

// requestOf returns a request that a collector got.
func requestOf(t *testing.T, got received) *collectorpb.ExportMetricsServiceRequest {
	t.Helper()
	request := &collectorpb.ExportMetricsServiceRequest{}
	check.Must(t, proto.Unmarshal(got.body, request))
	return request
}

// The exporter sends the same requests as OpenTelemetry's own exporter.
func TestMetricsAreEncodedAsByOpenTelemetry(t *testing.T) {
	rm, points := everything()
	to := collect(t, otlp.ProtocolHTTP, nil)
	theirs := check.Value(otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(to.url+"/v1/metrics")))(t)
	stats := &otlp.Stats{}
	ours := check.Value(otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: to.url}, Stats: stats}))(t)
	check.Must(t, theirs.Export(t.Context(), rm))
	check.Must(t, ours.Export(t.Context(), rm))
	got := to.requests()
	if want, ours := requestOf(t, got[0]), requestOf(t, got[1]); !proto.Equal(ours, want) {
		t.Errorf("got %v\nwant %v", ours, want)
	}
	if stats.Exported() != points {
		t.Errorf("%d exported, want %d", stats.Exported(), points)
	}
	_ = theirs.Shutdown(t.Context())
	_ = ours.Shutdown(t.Context())
}

// A string that is not UTF-8 does not stop the export of metrics.
func TestIllegalUTF8IsReplaced(t *testing.T) {
	const bad, good = "a\xffb", "a\uFFFDb"
	rm := &metricdata.ResourceMetrics{
		Resource: resource.NewWithAttributes(bad, attribute.String(bad, bad)),
		ScopeMetrics: []metricdata.ScopeMetrics{{
			Scope: instrumentation.Scope{Name: bad, Version: bad, SchemaURL: bad},
			Metrics: []metricdata.Metrics{{Name: bad, Description: bad, Unit: bad, Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{
				{Attributes: attribute.NewSet(attribute.StringSlice("x", []string{bad}))},
			}}}},
		}},
	}
	to := collect(t, otlp.ProtocolHTTP, nil)
	exporter := check.Value(otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: to.url}}))(t)
	check.Must(t, exporter.Export(t.Context(), rm))
	_ = exporter.Shutdown(t.Context())
	if got := strings.Count(string(to.requests()[0].body), good); got != 10 {
		t.Errorf("%d strings came, want 10", got)
	}
}

// A metric that OTLP cannot express is an error; the others are sent.
func TestUnknownAggregation(t *testing.T) {
	rm := counter(3)
	rm.ScopeMetrics[0].Metrics = append(rm.ScopeMetrics[0].Metrics, metricdata.Metrics{Name: "odd"})
	to, stats := collect(t, otlp.ProtocolHTTP, nil), &otlp.Stats{}
	exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: to.url}, Stats: stats})
	if err != nil {
		t.Fatal(err)
	}
	err = exporter.Export(t.Context(), rm)
	if err == nil || err.Error() != `metric "odd" of scope "": OTLP has no aggregation <nil>` || stats.Failures(otlp.ReasonInternal) != 1 {
		t.Errorf("got %v, failures: %v", err, failures(stats))
	}
	_ = exporter.Shutdown(t.Context())
	if got := requestOf(t, to.requests()[0]).GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
