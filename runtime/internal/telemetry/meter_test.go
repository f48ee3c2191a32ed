package telemetry

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

var (
	bg       = context.Background()
	someTime = time.Unix(1, 0)
)

const everyInstrument = `# HELP z_hits_total 
# TYPE z_hits_total counter
z_hits_total{lane="fast"} 1.0
# HELP y_tokens_total Tokens
# TYPE y_tokens_total counter
y_tokens_total 1.5
# HELP x_open 
# TYPE x_open gauge
x_open 2.0
# HELP w_open 
# TYPE w_open gauge
w_open -2.0
# HELP v_depth 
# TYPE v_depth gauge
v_depth 4.0
# HELP u_depth 
# TYPE u_depth gauge
u_depth 4.5
# HELP t_sizes 
# TYPE t_sizes histogram
t_sizes_sum 5.0
t_sizes_bucket{le="1.0"} 0.0
t_sizes_bucket{le="10.0"} 1.0
t_sizes_bucket{le="+Inf"} 1.0
t_sizes_count 1.0
# HELP s_seconds 
# TYPE s_seconds histogram
s_seconds_sum 0.5
s_seconds_bucket{le="1.0"} 1.0
s_seconds_bucket{le="10.0"} 1.0
s_seconds_bucket{le="+Inf"} 1.0
s_seconds_count 1.0
# HELP r_seen_total 
# TYPE r_seen_total counter
r_seen_total 7.0
# HELP q_level 
# TYPE q_level gauge
q_level 2.5
# HELP p_level 
# TYPE p_level gauge
p_level -3.0
# HELP o_seconds 
# TYPE o_seconds summary
o_seconds_count 1.0
o_seconds_sum 0.5
`

// /metrics has every kind of instrument under its name, in the order of declaration.
func TestInstruments(t *testing.T) {
	r := measure(t)
	m := r.Meter("Front")
	bounds := metric.WithExplicitBucketBoundaries(1, 10)
	check.Value(m.Int64Counter("z_hits"))(t).Add(bg, 1, metric.WithAttributes(attribute.String("lane", "fast")))
	check.Value(m.Float64Counter("y_tokens_total", metric.WithDescription("Tokens")))(t).Add(bg, 1.5)
	check.Value(m.Int64UpDownCounter("x_open"))(t).Add(bg, 2)
	check.Value(m.Float64UpDownCounter("w_open"))(t).Add(bg, -2)
	check.Value(m.Int64Gauge("v_depth"))(t).Record(bg, 4)
	check.Value(m.Float64Gauge("u_depth"))(t).Record(bg, 4.5)
	check.Value(m.Int64Histogram("t_sizes", bounds))(t).Record(bg, 5)
	check.Value(m.Float64Histogram("s_seconds", metric.WithUnit("s"), bounds))(t).Record(bg, 0.5)
	check.Value(m.Int64ObservableCounter("r_seen", observe(7)))(t)
	level := check.Value(m.Float64ObservableGauge("q_level"))(t)
	change := check.Value(m.Int64ObservableUpDownCounter("p_level"))(t)
	registration := check.Value(m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveFloat64(level, 2.5)
		o.ObserveInt64(change, -3)
		return nil
	}, level, change))(t)
	summaries := m.(interface{ SummaryMeter() metric.Meter }).SummaryMeter()
	check.Value(summaries.Float64Histogram("o_seconds", metric.WithUnit("s")))(t).Record(bg, 0.5)
	same(t, "/metrics", r.scrape(), everyInstrument)
	check.OK(t, registration.Unregister())
	same(t, "after Unregister", r.samples("_level"), "")
}

func observe(v int64) metric.Int64ObservableOption {
	return metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(v); return nil })
}

// Every method that makes an instrument registers the name. If the name is refused,
// the instrument records nothing.
func TestRefusedInstruments(t *testing.T) {
	r := measure(t)
	m := r.Meter("Front")
	made := reflect.ValueOf(m)
	refused := 0
	for i := range made.NumMethod() {
		method := made.Method(i)
		if method.Type().NumIn() != 2 || method.Type().In(0).Kind() != reflect.String {
			continue // RegisterCallback
		}
		refused++
		results := method.Call([]reflect.Value{reflect.ValueOf("queue.depth")})
		if results[1].IsNil() || results[0].IsNil() {
			t.Errorf("%s: got %v", made.Type().Method(i).Name, results)
		}
	}
	if refused != 14 {
		t.Errorf("a meter makes %d kinds of instruments", refused)
	}
	c, err := m.Float64Counter("queue.depth")
	if err == nil || c.Enabled(bg) {
		t.Errorf("%v, enabled %t", err, c.Enabled(bg))
	}
	c.Add(bg, 1)
	same(t, "/metrics", r.scrape(), "")
}

// dropped returns the log of values that are dropped. c, k and l are up-down counters.
func dropped(values ...string) (log string) {
	for _, value := range values {
		rule := "a counter takes neither negative values nor NaN"
		if strings.ContainsAny(value[:1], "ckl") {
			rule = "an up-down counter does not take NaN"
		}
		log += `level=WARN msg="metric value dropped: ` + rule + `; more of this metric are counted, not logged" metric=` + value + "\n"
	}
	return log
}

// A counter drops negative values and NaN, however they are recorded. An up-down
// counter drops NaN. Each dropped value is counted, the first of each metric is
// logged, and the other values are kept. A gauge may have any value.
func TestInvalidValues(t *testing.T) {
	r := measure(t)
	m := r.Meter("Front")
	nan := math.NaN()
	observeNaN := metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { o.Observe(nan); return nil })
	a, b := check.Value(m.Int64Counter("a"))(t), check.Value(m.Float64Counter("b"))(t)
	c, d := check.Value(m.Float64UpDownCounter("c"))(t), check.Value(m.Int64UpDownCounter("d"))(t)
	e := check.Value(m.Float64Gauge("e"))(t)
	check.Value(m.Int64ObservableCounter("f", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(-1)
		o.Observe(1, metric.WithAttributes(attribute.Bool("right", true)))
		return nil
	})))(t)
	check.Value(m.Float64ObservableCounter("g", observeNaN))(t)
	h, i := check.Value(m.Int64ObservableCounter("h"))(t), check.Value(m.Float64ObservableCounter("i"))(t)
	j, k := check.Value(m.Float64ObservableGauge("j"))(t), check.Value(m.Float64ObservableUpDownCounter("k"))(t)
	check.Value(m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(h, -1)
		for _, one := range []metric.Float64Observable{i, j, k} {
			o.ObserveFloat64(one, nan)
		}
		o.ObserveFloat64(i, math.Inf(-1))
		return nil
	}, h, i, j, k))(t)
	check.Value(m.Float64ObservableUpDownCounter("l", observeNaN))(t)
	r.endpoints()
	for range 2 {
		a.Add(bg, -3)
		b.Add(bg, nan)
		c.Add(bg, nan)
	}
	a.Add(bg, 2)
	a.Add(bg, 0)
	b.Add(bg, math.Inf(-1))
	b.Add(bg, 2)
	c.Add(bg, -1)
	d.Add(bg, -1)
	e.Record(bg, nan)
	const want = `a_total 2.0
b_total 2.0
c -1.0
d -1.0
e NaN
f_total{right="true"} 1.0
j NaN
`
	got := r.scrape()
	same(t, "/metrics", matching(got)[:len(want)], want)
	same(t, "the next /metrics", r.samples("ekiben_metrics_invalid"), "ekiben_metrics_invalid_total 21.0\n") // 7 synchronous, 7 of each scrape
	same(t, "log", r.log.String(), dropped("a value=-3", "b value=NaN", "c value=NaN", "f value=-1", "g value=NaN", "l value=NaN", "h value=-1", "i value=NaN", "k value=NaN"))
}

// With metrics off, names are still checked, and nothing is recorded or
// allocated.
func TestMetricsOff(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.Enabled = false }))
	m := r.Meter("Front")
	counter, err := m.Int64Counter("hits")
	r.check(err)
	if _, err := r.Meter("Encoder").Int64Counter("Hits"); err == nil || err.Error() != `counter "Hits": "Hits_total": service "Front" has a counter named "hits_total"` {
		t.Errorf("got %v", err)
	}
	_, err = m.Int64ObservableGauge("never", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { panic("called") }))
	r.check(err)
	shout := r.endpoints("/shout")[0]
	front := r.services
	if r.Exporter != nil || shout != nil || len(front) != 0 || r.Families() != nil {
		t.Errorf("there is something that measures: %v, %v, %v, %v", r.Exporter, shout, front, r.Families())
	}
	if n := testing.AllocsPerRun(100, func() {
		counter.Add(bg, 1)
		record(shout, 200, 1)
	}); n != 0 || counter.Enabled(bg) {
		t.Errorf("%v allocations, enabled %t", n, counter.Enabled(bg))
	}
}

// A histogram of seconds without boundaries is logged at its declaration.
func TestSecondsWithoutBoundaries(t *testing.T) {
	r := measure(t)
	m := r.Meter("Front")
	_, err1 := m.Float64Histogram("one_seconds")
	_, err2 := m.Int64Histogram("two_seconds", metric.WithUnit("s"))
	_, err3 := m.Float64Histogram("chosen_seconds", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1))
	_, err4 := m.Float64Histogram("size_bytes", metric.WithUnit("By"))
	_, err5 := m.(interface{ SummaryMeter() metric.Meter }).SummaryMeter().Float64Histogram("summary_seconds")
	r.check(err1, err2, err3, err4, err5)
	got := r.log.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "metric=one_seconds") || !strings.Contains(got, "metric=two_seconds") || !strings.Contains(got, "metric.WithExplicitBucketBoundaries") {
		t.Errorf("logged\n%s", got)
	}
}
