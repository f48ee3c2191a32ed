package instrument_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

type lane struct {
	Name   string `label:"lane"`
	Fast   bool
	Worker int8 `label:"worker"`
}

// metrics has one instrument of each kind, of one app.
type metrics struct {
	app     *runtime.App
	counter *instrument.Counter[lane]
	open    *instrument.UpDownCounter[lane]
	gauge   *instrument.Gauge[lane]
	seconds *instrument.Histogram[lane]
	sizes   *instrument.Summary[lane]
}

func newMetrics(tb testing.TB, enabled bool, opts ...instrument.Option) *metrics {
	tb.Helper()
	m := &metrics{app: newApp(enabled)}
	meter := m.app.Meter()
	var errs [5]error
	with := func(more ...instrument.Option) []instrument.Option { return append(more, opts...) }
	histogram := []instrument.HistogramOption{instrument.Buckets(1, 2, math.Inf(1))}
	for _, opt := range with(instrument.Unit("s")) {
		histogram = append(histogram, opt)
	}
	m.counter, errs[0] = instrument.NewCounter[lane](meter, "hits", with(instrument.Help("Hits"))...)
	m.open, errs[1] = instrument.NewUpDownCounter[lane](meter, "open", with()...)
	m.gauge, errs[2] = instrument.NewGauge[lane](meter, "depth", with()...)
	m.seconds, errs[3] = instrument.NewHistogram[lane](meter, "took_seconds", histogram...)
	m.sizes, errs[4] = instrument.NewSummary[lane](meter, "size_bytes", with(instrument.Unit("By"))...)
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

func (m *metrics) record(l lane) {
	ctx := context.Background()
	m.counter.Add(ctx, l, 2)
	m.open.Add(ctx, l, -1)
	m.gauge.Set(ctx, l, 3)
	m.seconds.Observe(ctx, l, 1.5)
	m.sizes.Observe(ctx, l, 10)
}

func newApp(enabled bool) *runtime.App {
	cfg := config.Default()
	cfg.Metrics.Enabled = enabled
	app := runtime.New("Metered", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	runtime.Handle(app, "nothing", func(context.Context, struct{}) (string, error) { return "", nil })
	return app
}

// exposition returns /metrics.
func (m *metrics) exposition(tb testing.TB) string {
	tb.Helper()
	handler := check.Value(m.app.Handler())(tb)
	tb.Cleanup(func() { _ = m.app.Shutdown(context.Background()) })
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

// custom returns the metrics of m on /metrics.
func (m *metrics) custom(tb testing.TB) string {
	tb.Helper()
	whole := m.exposition(tb)
	return whole[strings.Index(whole, "# HELP hits"):strings.Index(whole, "# HELP ekiben")]
}

func TestPage(t *testing.T) {
	m := newMetrics(t, true)
	m.record(lane{"a\xff", true, -1})
	m.record(lane{"a\xff", true, -1})
	want := strings.ReplaceAll(`# HELP hits_total Hits
# TYPE hits_total counter
hits_total{L} 4.0
# HELP open 
# TYPE open gauge
open{L} -2.0
# HELP depth 
# TYPE depth gauge
depth{L} 3.0
# HELP took_seconds 
# TYPE took_seconds histogram
took_seconds_sum{L} 3.0
took_seconds_bucket{fast="true",lane="a`+"\uFFFD"+`",le="1.0",worker="-1"} 0.0
took_seconds_bucket{fast="true",lane="a`+"\uFFFD"+`",le="2.0",worker="-1"} 2.0
took_seconds_bucket{fast="true",lane="a`+"\uFFFD"+`",le="+Inf",worker="-1"} 2.0
took_seconds_count{L} 2.0
# HELP size_bytes 
# TYPE size_bytes summary
size_bytes_count{L} 2.0
size_bytes_sum{L} 20.0
`, "{L}", `{fast="true",lane="a`+"\uFFFD"+`",worker="-1"}`)
	check.Equal(t, m.custom(t), want)
}

// Label sets beyond the limit are summed in the overflow series.
func TestOverflow(t *testing.T) {
	m := newMetrics(t, true, instrument.MaxSeries(2))
	for i := range 5 {
		m.counter.Add(context.Background(), lane{Name: fmt.Sprint(i)}, 1)
	}
	m.counter.Add(context.Background(), lane{Name: "0"}, 1)
	want := `hits_total{fast="false",lane="0",worker="0"} 2.0
hits_total{fast="false",lane="1",worker="0"} 1.0
hits_total{otel_metric_overflow="true"} 3.0
`
	check.Contains(t, m.custom(t), want)
}

func TestConcurrentSets(t *testing.T) {
	m := newMetrics(t, true)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 100 {
				m.counter.Add(context.Background(), lane{Worker: int8(i % 10)}, 1)
			}
		})
	}
	wait.Wait()
	got := m.custom(t)
	for i := range 10 {
		check.Contains(t, got, fmt.Sprintf("hits_total{fast=\"false\",lane=\"\",worker=\"%d\"} 40.0\n", i))
	}
}

// Recording a known label set allocates nothing. With metrics off, nothing is ever
// allocated.
func TestAllocations(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		m := newMetrics(t, enabled)
		m.record(lane{Name: "a"})
		if got := testing.AllocsPerRun(100, func() { m.record(lane{Name: "a"}) }); got != 0 {
			t.Errorf("metrics.enabled %v: %v allocations", enabled, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	meter := newApp(true).Meter()
	type hidden struct{ name string }
	type float struct{ X float64 }
	type dotted struct {
		X string `label:"a.b"`
	}
	type twice struct {
		A string `label:"x"`
		B string `label:"x"`
	}
	type le struct{ Le string }
	_ = hidden{name: ""}.name
	for _, test := range []struct {
		make func() error
		want string
	}{
		{func() error { _, err := instrument.NewCounter[string](meter, "a"); return err }, `counter "a": labels: must be a struct with one field a label (struct{} for none), found string`},
		{func() error { _, err := instrument.NewCounter[hidden](meter, "a"); return err }, `counter "a": instrument_test.hidden.name: must be exported`},
		{func() error { _, err := instrument.NewGauge[float](meter, "a"); return err }, `gauge "a": instrument_test.float.X: must be a string, a bool or an integer, found float64`},
		{func() error { _, err := instrument.NewUpDownCounter[dotted](meter, "a"); return err }, `up-down counter "a": instrument_test.dotted.X: label "a.b" is "a_b" on /metrics; use that name`},
		{func() error { _, err := instrument.NewSummary[twice](meter, "a"); return err }, `summary "a": instrument_test.twice.B: label "x" is already that of A`},
		{func() error { _, err := instrument.NewHistogram[le](meter, "a"); return err }, `histogram "a": instrument_test.le.Le: label "le" is reserved by Prometheus`},
		{func() error {
			_, err := instrument.NewHistogram[lane](meter, "a", instrument.Buckets(2, 1))
			return err
		}, `histogram "a": buckets[1]: must be greater than the boundary before it (2), found 1`},
		{buckets(meter, math.NaN()), `histogram "a": buckets[0]: must be a finite number, found NaN`},
		{buckets(meter), `histogram "a": buckets: must have at least one finite boundary, found []`},
		{buckets(meter, math.Inf(1)), `histogram "a": buckets: must have at least one finite boundary, found [+Inf]`},
		{buckets(meter, math.Inf(1), math.Inf(1)), `histogram "a": buckets[0]: must be a finite number, found +Inf`},
		{buckets(meter, math.Inf(-1)), `histogram "a": buckets[0]: must be a finite number, found -Inf`},
		{buckets(meter, 1, math.Inf(1), 2), `histogram "a": buckets[1]: must be a finite number, found +Inf`},
		{buckets(meter, 1, 1, math.NaN(), 0), "histogram \"a\": buckets[1]: must be greater than the boundary before it (1), found 1\nbuckets[2]: must be a finite number, found NaN"},
		{buckets(meter, 0, math.Copysign(0, -1)), `histogram "a": buckets[1]: must be greater than the boundary before it (0), found -0`},
		{func() error { _, err := instrument.NewSummary[lane](noop.Meter{}, "a"); return err }, `summary "a": must be made with the Meter() of a service, found a noop.Meter`},
		{func() error { _, err := instrument.NewCounter[lane](meter, "a b"); return err }, `counter "a b"`},
		{func() error { _, err := instrument.NewCounter[lane](nil, "a"); return err }, `counter "a": the meter must not be nil; use that of a service`},
		{func() error { _, err := instrument.NewSummary[lane](nil, "a"); return err }, `summary "a": `},
		{func() error { _, err := instrument.NewCounter[lane](meter, "a", nil); return err }, `counter "a": option 1 must not be nil`},
		{func() error {
			_, err := instrument.NewUpDownCounter[lane](meter, "a", instrument.Help("x"), nil)
			return err
		}, `up-down counter "a": option 2 must not be nil`},
		{func() error { _, err := instrument.NewGauge[lane](meter, "a", nil); return err }, `gauge "a": option 1 must not be nil`},
		{func() error { _, err := instrument.NewHistogram[lane](meter, "a", nil); return err }, `histogram "a": option 1 must not be nil`},
		{func() error { _, err := instrument.NewSummary[lane](meter, "a", nil); return err }, `summary "a": option 1 must not be nil`},
	} {
		if err := test.make(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
}

func buckets(meter metric.Meter, list ...float64) func() error {
	return func() error {
		_, err := instrument.NewHistogram[lane](meter, "a", instrument.Buckets(list...))
		return err
	}
}

func BenchmarkCounter(b *testing.B) {
	ctx := context.Background()
	b.Run("otel", func(b *testing.B) {
		c, _ := newApp(true).Meter().Float64Counter("hits")
		b.ReportAllocs()
		for b.Loop() {
			c.Add(ctx, 1, metric.WithAttributes())
		}
	})
	for _, enabled := range []bool{true, false} {
		b.Run(fmt.Sprintf("typed_enabled_%v", enabled), func(b *testing.B) {
			m := newMetrics(b, enabled)
			l := lane{Name: "a", Worker: 1}
			b.ReportAllocs()
			for b.Loop() {
				m.counter.Add(ctx, l, 1)
			}
		})
	}
}

func BenchmarkSummary(b *testing.B) {
	m := newMetrics(b, true)
	b.ReportAllocs()
	for b.Loop() {
		m.sizes.Observe(context.Background(), lane{Name: "a"}, 1)
	}
}
