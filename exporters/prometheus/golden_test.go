package prometheus

import (
	"context"
	"math"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// strip is a view that makes a summary: it removes a histogram's boundaries.
func strip(in sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if _, ok := in.Scope.Attributes.Value("summary"); !ok {
		return sdkmetric.Stream{}, false
	}
	return sdkmetric.Stream{
		Name: in.Name, Description: in.Description, Unit: in.Unit,
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{}},
	}, true
}

func exponential(in sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	return sdkmetric.Stream{
		Name:        in.Name,
		Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 4},
	}, in.Name == "exponential_seconds"
}

// TestGolden renders the metrics of each row in both formats. The files of a row are
// testdata/NAME.txt and testdata/NAME.openmetrics.txt.
func TestGolden(t *testing.T) {
	ctx := context.Background()
	for _, row := range []struct {
		name   string
		cfg    Config
		errors int64 // of one scrape
		record func(r *rig)
	}{
		{"empty", Config{}, 0, func(*rig) {}},
		{"counter", Config{}, 0, recordCounters},
		{"gauges", Config{}, 0, recordGauges},
		{"histogram", Config{}, 0, recordHistogram},
		{"infinite-bound", Config{}, 0, func(r *rig) {
			h := must(r.mp.Meter("app").Float64Histogram("x", metric.WithExplicitBucketBoundaries(1, math.Inf(1))))
			h.Record(sampled(), 7)
		}},
		{"summary", Config{}, 0, func(r *rig) {
			m := r.mp.Meter("app", metric.WithInstrumentationAttributes(attribute.Bool("summary", true)))
			s := must(m.Int64Histogram("response_size_bytes", metric.WithDescription("Response size in bytes")))
			s.Record(sampled(), 55, label1("endpoint", "summarize"))
		}},
		{"exponential", Config{}, 0, func(r *rig) {
			h := must(r.mp.Meter("app").Float64Histogram("exponential_seconds"))
			h.Record(ctx, 0.5)
			h.Record(ctx, 70)
		}},
		{"escaping", Config{}, 0, func(r *rig) {
			g := must(r.mp.Meter("app").Int64Gauge("queue_depth", metric.WithDescription("Items \"waiting\" in C:\\tmp\nnow, \xff")))
			g.Record(ctx, 3, label1("lane", "a\"b\\c\nd"))
			g.Record(ctx, 4, label1("lane", "caf\xe9 \xf0\x9f ok ü"))
		}},
		{"label-names", Config{}, 4, recordLabelNames},
		{"exemplars", Config{}, 0, recordExemplars},
		{"scopes-merged", Config{}, 1, recordScopes},
		{"scope-labels", Config{ScopeLabels: true, TargetInfo: true}, 0, recordScopes},
		{"conflicts", Config{}, 5, recordConflicts},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, row.cfg, sdkmetric.WithView(strip, exponential))
			row.record(r)
			golden(t, row.name+".txt", r.page(false))
			if got := r.ScrapeErrors(); got != row.errors {
				t.Errorf("ScrapeErrors after one scrape: %d, want %d; log:\n%s", got, row.errors, r.log)
			}
			golden(t, row.name+".openmetrics.txt", maskTimes(r.page(true)))
		})
	}
}

func recordCounters(r *rig) {
	ctx, m := context.Background(), r.mp.Meter("app")
	c := must(m.Int64Counter("summary_requests_total", metric.WithDescription("Total number of summarization requests")))
	c.Add(ctx, 5, label1("status", "success"))
	c.Add(ctx, 1, label1("status", "failure"))
	must(m.Float64Counter("io.time", metric.WithUnit("s"))).Add(ctx, 0.25)
	must(m.Int64Counter("big")).Add(ctx, 12_345_678)
}

func recordGauges(r *rig) {
	ctx, m := context.Background(), r.mp.Meter("app")
	must(m.Int64UpDownCounter("in_progress", metric.WithDescription("Now"))).Add(ctx, -3)
	must(m.Float64Gauge("last_request_timestamp_seconds")).Record(ctx, 1795401917.663633)
	must(m.Int64Gauge("ratio.of", metric.WithUnit("1"))).Record(ctx, 1)
	must(m.Float64Gauge("odd")).Record(ctx, math.NaN(), label1("v", "nan"))
	must(m.Float64Gauge("odd")).Record(ctx, math.Inf(-1), label1("v", "-inf"))
}

func recordHistogram(r *rig) {
	ctx, m := context.Background(), r.mp.Meter("app")
	h := must(m.Float64Histogram("inference_time_seconds", metric.WithDescription("Time taken"),
		metric.WithExplicitBucketBoundaries(.1, .2, .5, 1, 2, 5, 10)))
	h.Record(ctx, 0.15, label1("status", "success"))
	h.Record(ctx, 0.6, metric.WithAttributes(attribute.String("a", "before le"), attribute.Int("status", 7)))
	h.Record(ctx, 100, label1("a", "only before le"))
	must(m.Int64Histogram("no_labels", metric.WithExplicitBucketBoundaries(1, 1e6, 1.5e7))).Record(ctx, 1_000_001)
}

func recordLabelNames(r *rig) {
	ctx, m := context.Background(), r.mp.Meter("app")
	must(m.Int64Counter("calls")).Add(ctx, 1, metric.WithAttributes(
		attribute.String("http.method", "z"), attribute.String("http_method", "a"), attribute.Bool("1st", true)))
	must(m.Int64Counter("calls")).Add(ctx, 1, label1("__name__", "reserved"))
	must(m.Int64Counter("calls")).Add(ctx, 1, label1("__", "nothing left"))
	must(m.Float64Histogram("own_le")).Record(ctx, 1, label1("le", "mine"))
	must(m.Int64Gauge("twice")).Record(ctx, 1, label1("n", "1"))
	must(m.Int64Gauge("twice")).Record(ctx, 1, metric.WithAttributes(attribute.Int("n", 1)))
	must(m.Int64Gauge("reserved_only")).Record(ctx, 1, label1("__x__", "y"))
}

func recordExemplars(r *rig) {
	m := r.mp.Meter("app")
	must(m.Int64Counter("requests")).Add(sampled(), 2)
	must(m.Int64UpDownCounter("in_progress")).Add(sampled(), 2)
	h := must(m.Float64Histogram("seconds", metric.WithExplicitBucketBoundaries(.1, 1)))
	h.Record(sampled(), 0.1)
	h.Record(sampled(), 0.5)
	h.Record(context.Background(), 0.6)
	h.Record(sampled(), 3)
}

func recordScopes(r *rig) {
	for _, s := range []struct {
		name   string
		bounds []float64
	}{{"/b", []float64{1, 2}}, {"/a", []float64{0.5}}} {
		m := r.mp.Meter(s.name, metric.WithInstrumentationVersion("1.2"), metric.WithInstrumentationAttributes(attribute.String("team.name", "x")))
		h := must(m.Float64Histogram("request_seconds", metric.WithDescription("of "+s.name), metric.WithExplicitBucketBoundaries(s.bounds...)))
		h.Record(context.Background(), 1.5, label1("endpoint", s.name))
		h.Record(context.Background(), 1.5, label1("endpoint", "shared"))
	}
}

func recordConflicts(r *rig) {
	ctx := context.Background()
	r.Reserve("reserved_count")
	r.Reserve("kept")
	a, b := r.mp.Meter("a"), r.mp.Meter("b")
	must(a.Int64Gauge("kept")).Record(ctx, 1)
	must(b.Float64Histogram("kept")).Record(ctx, 1)
	must(b.Int64Counter("a.total")).Add(ctx, 1)
	must(a.Int64Gauge("a_total")).Record(ctx, 2)
	must(a.Float64Histogram("x")).Record(ctx, 1)
	must(a.Int64Gauge("x_count")).Record(ctx, 1)
	must(a.Int64Gauge("x.count")).Record(ctx, 2)
	must(a.Float64Histogram("reserved")).Record(ctx, 1)
	must(a.Int64Gauge("reserved_count")).Record(ctx, 9)
	// Legal in the classic format. In OpenMetrics the counter's family would also be
	// called short.
	must(a.Int64Counter("short_total")).Add(sampled(), 1)
	must(a.Int64Gauge("short")).Record(ctx, 2)
	must(a.Int64Counter("total")).Add(ctx, 1)
	must(a.Int64Gauge("total.", metric.WithDescription("a second stream of one name"))).Record(ctx, 1)
}
