package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const depthPage = "# HELP depth \n# TYPE depth gauge\ndepth 3.0\n"

// TestCallbackPanics checks that a panic of an observable's callback is an error of
// the scrape, of Gather and of Collect, and that the next scrape succeeds.
func TestCallbackPanics(t *testing.T) {
	r := newRig(t, DefaultConfig())
	panics := false
	must(r.mp.Meter("app").Int64ObservableGauge("depth", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		if panics {
			panic("no such queue")
		}
		o.Observe(3)
		return nil
	})))
	same(t, "before", r.page(false), depthPage)
	panics = true
	w := get(r)
	if got, want := w.Body.String(), "exporters/prometheus: collect: a metric callback panicked: no such queue\n"; w.Code != http.StatusInternalServerError || got != want {
		t.Errorf("page: %d %q, want 500 %q", w.Code, got, want)
	}
	if err := r.Collect(context.Background(), &metricdata.ResourceMetrics{}); !errors.Is(err, errCallbackPanic) {
		t.Errorf("Collect: %v, want %v", err, errCallbackPanic)
	}
	if families, err := r.Gatherer().Gather(); err == nil || !strings.Contains(err.Error(), errCallbackPanic.Error()) || len(families) != 0 {
		t.Errorf("Gather: %d families, %v", len(families), err)
	}
	panics = false
	same(t, "after", r.page(false), depthPage)
	if got := r.ScrapeErrors(); got != 2 {
		t.Errorf("ScrapeErrors %d, want one of the page and one of Gather", got)
	}
}

// TestCallbacksFail checks that the values of other callbacks are served, that each
// failed callback is counted, and that an error is logged once.
func TestCallbacksFail(t *testing.T) {
	r := newRig(t, DefaultConfig())
	m := r.mp.Meter("app")
	must(m.Int64Gauge("depth")).Record(context.Background(), 3)
	for i := range 3 {
		must(m.Int64ObservableGauge(fmt.Sprintf("failing_%d", i), metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			return fmt.Errorf("disk %d is gone", i)
		})))
	}
	for range 2 {
		same(t, "page", r.page(false), depthPage)
	}
	if got := r.ScrapeErrors(); got != 6 {
		t.Errorf("ScrapeErrors %d, want 3 a scrape", got)
	}
	same(t, "log", r.log.String(), `level=WARN msg="metrics incomplete" error="collect: disk 0 is gone\ndisk 1 is gone\ndisk 2 is gone"`+"\n")
}

// TestConflictsAreLoggedOnce scrapes conflicting families three times.
func TestConflictsAreLoggedOnce(t *testing.T) {
	r := newRig(t, DefaultConfig())
	recordConflicts(r)
	first := r.page(false)
	for range 2 {
		same(t, "again", r.page(false), first)
	}
	same(t, "log", r.log.String(), `level=WARN msg="metrics incomplete" error="family total: type must be counter, the type of its first collection, found gauge in scope a; the latter is left out"
level=WARN msg="metrics incomplete" error="family kept: type must be gauge, the type of its first collection, found histogram in scope b; the latter is left out"
level=WARN msg="metrics incomplete" error="family a_total: type must be gauge, the type of its first collection, found counter in scope b; the latter is left out"
level=WARN msg="metrics incomplete" error="family reserved: histogram needs the name reserved_count, which is taken by the gauge reserved_count; it is left out"
level=WARN msg="metrics incomplete" error="family x_count: gauge needs the name x_count, which is taken by the histogram x; it is left out"
`)
	if got := r.ScrapeErrors(); got != 15 {
		t.Errorf("ScrapeErrors %d, want 5 a scrape", got)
	}
}

// TestOverflowIsLoggedOnce records more sets of attributes than the limit.
func TestOverflowIsLoggedOnce(t *testing.T) {
	r := newRig(t, DefaultConfig(), sdkmetric.WithCardinalityLimit(3))
	m := r.mp.Meter("app")
	record := func(n int) {
		for _, name := range []string{"calls", "others"} {
			for i := range n {
				must(m.Int64Counter(name)).Add(context.Background(), 1, label1("n", fmt.Sprint(i)))
			}
		}
	}
	record(2)
	r.page(false)
	same(t, "log below the limit", r.log.String(), "")
	record(5)
	for range 2 {
		r.page(false)
	}
	want := ""
	for _, family := range []string{"calls_total", "others_total"} {
		want += `level=WARN msg="metrics incomplete" error="family ` + family + `: has more label sets than its limit; all further sets share the series {otel_metric_overflow=\"true\"}; give its labels fewer values, or raise the limit (metrics.max_series, instrument.MaxSeries)"` + "\n"
	}
	same(t, "log", r.log.String(), want)
	if got := r.ScrapeErrors(); got != 0 {
		t.Errorf("ScrapeErrors %d, want 0", got)
	}
}

// TestLogIsBounded reports more distinct errors than maxSaid.
func TestLogIsBounded(t *testing.T) {
	r := newRig(t, DefaultConfig())
	for range 2 {
		for i := range maxSaid + 100 {
			r.report.add(1, fmt.Sprintf("error %d", i))
		}
	}
	if got, want := strings.Count(r.log.String(), "\n"), maxSaid+1; got != want || len(r.report.said) != maxSaid {
		t.Errorf("%d lines, %d remembered; want %d and %d", got, len(r.report.said), want, maxSaid)
	}
	if got := r.ScrapeErrors(); got != 2*(maxSaid+100) {
		t.Errorf("ScrapeErrors %d", got)
	}
}

// TestForeignData encodes data that a producer can make but the SDK does not.
func TestForeignData(t *testing.T) {
	r := newRig(t, DefaultConfig())
	set := attribute.NewSet(attribute.String("z", "1"), attribute.String("a", "2"))
	data := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: "s"}, Metrics: []metricdata.Metrics{
		{Name: "quantiles", Description: "of a summary", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
			Attributes: set, Count: 2, Sum: 1.5, QuantileValues: []metricdata.QuantileValue{{Quantile: .5, Value: 1}, {Quantile: 1, Value: 2}},
		}}}},
		{Name: "delta", Data: metricdata.Sum[int64]{Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.DataPoint[int64]{{}}}},
		{Name: "nothing"},
		{Name: "!", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{}}}},
		{Name: "two_views", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 1, Attributes: set}}}},
		{Name: "two_views", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 2}}}},
		{Name: "no_points", Data: metricdata.Gauge[int64]{}},
		{Name: "short_counts", Data: metricdata.Histogram[int64]{DataPoints: []metricdata.HistogramDataPoint[int64]{
			{Bounds: []float64{1, 2}, BucketCounts: []uint64{1}, Count: 1},
		}}},
		{Name: "bounds_twice", Data: metricdata.Histogram[int64]{DataPoints: []metricdata.HistogramDataPoint[int64]{{
			Bounds: []float64{1, 1, 2}, BucketCounts: []uint64{1, 1, 1, 1}, Count: 4, Sum: 9,
			Exemplars: []metricdata.Exemplar[int64]{
				{Value: 0, Time: epoch.Add(-1e9)}, {Value: 1, Time: epoch}, {Value: -1, Time: epoch.Add(-2e9)}, {Value: 9, Time: epoch},
			},
		}}}},
		{Name: "limit", Data: metricdata.Sum[int64]{IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{{
			Value: 1, Exemplars: []metricdata.Exemplar[int64]{
				{Value: 7, Time: epoch.Add(-1)},
				{Value: 8, Time: epoch, TraceID: make([]byte, 16), SpanID: make([]byte, 8), FilteredAttributes: []attribute.KeyValue{
					attribute.String("user.agent", strings.Repeat("ü", 60)), attribute.String("user_id", `"7"`),
					attribute.String("trace_id", "mine"), attribute.String("user.id", "again"),
				}},
			},
		}}}},
	}}
	golden(t, "foreign.txt", encodePage(t, r.Exporter, false, data))
	if got := r.ScrapeErrors(); got != 4 {
		t.Errorf("ScrapeErrors %d, want 4; log:\n%s", got, r.log)
	}
	golden(t, "foreign.openmetrics.txt", encodePage(t, r.Exporter, true, data))
	same(t, "log", r.log.String(), `level=WARN msg="metrics incomplete" error="metric delta: temporality must be cumulative, found delta"
level=WARN msg="metrics incomplete" error="metric nothing: aggregation must be a sum, gauge, histogram or summary, found <nil>"
level=WARN msg="metrics incomplete" error="metric \"!\": must have a letter or a digit: normalization for metric \"!\" resulted in empty name"
level=WARN msg="metrics incomplete" error="family short_counts: series {} must have one count more than boundaries; it is left out"
`)
}

// TestConcurrentScrapes scrapes in every way while metrics are recorded and names are
// reserved.
func TestConcurrentScrapes(t *testing.T) {
	r := newRig(t, Config{OpenMetrics: true, TargetInfo: true})
	m := r.mp.Meter("app")
	h := must(m.Float64Histogram("took"))
	c := must(m.Int64Counter("calls"))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 30 {
				h.Record(sampled(), float64(j), label1("route", fmt.Sprint(i*j)))
				c.Add(sampled(), 1, label1("route", fmt.Sprint(i)))
				switch i {
				case 0:
					r.Reserve(fmt.Sprint("family_", j))
				case 1:
					_, _ = r.Gatherer().Gather()
				case 2:
					_ = r.Collect(context.Background(), &metricdata.ResourceMetrics{})
				default:
					parse(t, r.page(false))
					r.page(true)
				}
			}
		})
	}
	group.Wait()
	if got := r.ScrapeErrors(); got != 0 {
		t.Errorf("ScrapeErrors %d, want 0; log:\n%s", got, r.log)
	}
	check.Equal(t, len(parse(t, r.page(false))["took"].GetMetric()), len(routes()))
}

// routes is the set of values that TestConcurrentScrapes records.
func routes() map[int]bool {
	out := map[int]bool{}
	for i := range 8 {
		for j := range 30 {
			out[i*j] = true
		}
	}
	return out
}
