package runtime_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// Every kind of instrument, made before there is a provider, is on the page
// under its name, in the order it was made.
func TestEveryInstrument(t *testing.T) {
	svc := runtime.NewService("Meters")
	m := svc.Meter()
	ctx := context.Background()
	lane := metric.WithAttributes(attribute.String("lane", "fast"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c1, err := m.Int64Counter("z_hits")
	must(err)
	c2, err := m.Float64Counter("y_tokens_total", metric.WithDescription("Tokens"))
	must(err)
	u1, err := m.Int64UpDownCounter("x_open")
	must(err)
	u2, err := m.Float64UpDownCounter("w_open")
	must(err)
	g1, err := m.Int64Gauge("v_depth")
	must(err)
	g2, err := m.Float64Gauge("u_depth")
	must(err)
	h1, err := m.Int64Histogram("t_sizes", metric.WithExplicitBucketBoundaries(1, 10))
	must(err)
	h2, err := m.Float64Histogram("s_seconds", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 10))
	must(err)
	_, err = m.Int64ObservableCounter("r_seen", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(7)
		return nil
	}))
	must(err)
	o2, err := m.Float64ObservableGauge("q_level")
	must(err)
	o3, err := m.Int64ObservableUpDownCounter("p_level")
	must(err)
	registration, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveFloat64(o2, 2.5)
		o.ObserveInt64(o3, -3)
		return nil
	}, o2, o3)
	must(err)
	if c1.Enabled(ctx) {
		t.Error("an instrument without a provider says that it is enabled")
	}
	c1.Add(ctx, 100) // before there is a provider: nothing to record to
	s := serve(t, svc)
	c1.Add(ctx, 1, lane)
	c2.Add(ctx, 1.5)
	u1.Add(ctx, 2)
	u2.Add(ctx, -2)
	g1.Record(ctx, 4)
	g2.Record(ctx, 4.5)
	h1.Record(ctx, 5)
	h2.Record(ctx, 0.5)
	page := s.page()
	want := `# HELP z_hits_total 
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
`
	if !strings.Contains(page, want) {
		t.Errorf("got\n%s\nwant it to contain\n%s", page, want)
	}
	must(registration.Unregister())
	if page := s.page(); strings.Contains(page, "q_level 2.5") || strings.Contains(page, "p_level -3") {
		t.Error("an unregistered callback is still called")
	}
}

func TestNamesAreRefusedWhereTheyAreMade(t *testing.T) {
	svc := runtime.NewService("Names")
	m := svc.Meter()
	if _, err := m.Int64Histogram("sizes"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		make func() error
		want string
	}{
		{func() error { _, err := m.Int64Gauge("queue.depth"); return err }, `gauge "queue.depth": would be "queue_depth" on the page; name it so`},
		{func() error { _, err := m.Int64Counter("total_tokens_total"); return err }, `counter "total_tokens_total": would be "tokens_total" on the page; name it so`},
		{func() error { _, err := m.Int64Gauge("a__b"); return err }, `gauge "a__b": would be "a_b" on the page; name it so`},
		{func() error { _, err := m.Int64Gauge("load", metric.WithUnit("1")); return err }, `gauge "load" with unit "1": would be "load_ratio" on the page; name it so`},
		{func() error { _, err := m.Float64Histogram("took", metric.WithUnit("s")); return err }, `histogram "took" with unit "s": would be "took_seconds" on the page; name it so`},
		{func() error { _, err := m.Int64Counter("sizes"); return err }, `counter "sizes": "sizes" is taken by a histogram made before`},
		{func() error { _, err := m.Int64Gauge("sizes"); return err }, `gauge "sizes": "sizes" is taken by a histogram made before`},
		{func() error { _, err := m.Int64Gauge("sizes_count"); return err }, `gauge "sizes_count": "sizes" is taken by a histogram made before`},
		{func() error { _, err := instrument.NewSummary[struct{}](m, "sizes"); return err }, `histogram "sizes": "sizes" is taken by a histogram made before`},
	} {
		if err := test.make(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
}

func TestTwoServicesWithOneMetric(t *testing.T) {
	a, b := runtime.NewService("A"), runtime.NewService("B")
	a.DependsOn(b)
	for _, svc := range []*runtime.Service{a, b} {
		if _, err := svc.Meter().Int64Counter("hits"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := runtime.New(a)
	if want := `service "B": metric "hits_total": service "A" has one of this name`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The runtime's own names are refused, whether a metric is made before there is
// a runtime or after; other names in its namespace are free.
func TestTakenNames(t *testing.T) {
	for name, free := range map[string]bool{
		"bentoml_service_request_total": false, "bentoml_service_request_in_progress_total": false, "ekiben_anything_total": false, "go_goroutine_count": false,
		"target_info": false, "bentoml_service_request_duration_seconds_count": false,
		"bentoml_service_model_inferencing_total": true, "go_team_total": true, "http_server_request_duration_seconds": true,
	} {
		for _, before := range []bool{true, false} {
			svc := runtime.NewService("S")
			declare := func() error {
				var err error
				if strings.HasSuffix(name, "_total") {
					_, err = svc.Meter().Int64Counter(name)
				} else {
					_, err = svc.Meter().Int64UpDownCounter(name)
				}
				return err
			}
			var errs []error
			if before {
				errs = append(errs, declare())
			}
			rt, err := runtime.New(svc, runtime.WithLogger(quiet()))
			errs = append(errs, err)
			if !before {
				errs = append(errs, declare())
			}
			if rt != nil {
				errs = append(errs, rt.Shutdown(context.Background()))
			}
			if err := errors.Join(errs...); (err == nil) != free || err != nil && !strings.Contains(err.Error(), "the runtime's own") {
				t.Errorf("%s, before %t: %v", name, before, err)
			}
		}
	}
}
