package instrument_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// refused makes one instrument of each kind. Each must be refused, and recording to
// it must not panic.
func refused[L comparable](t *testing.T, meter metric.Meter, name string) {
	t.Helper()
	ctx := context.Background()
	var l L
	counter, err1 := instrument.NewCounter[L](meter, name)
	open, err2 := instrument.NewUpDownCounter[L](meter, name)
	gauge, err3 := instrument.NewGauge[L](meter, name)
	histogram, err4 := instrument.NewHistogram[L](meter, name)
	summary, err5 := instrument.NewSummary[L](meter, name)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if err == nil {
			t.Errorf("%q of %T: number %d is made", name, l, i)
		}
	}
	counter.Add(ctx, l, 1)
	open.Add(ctx, l, 1)
	gauge.Set(ctx, l, 1)
	histogram.Observe(ctx, l, 1)
	summary.Observe(ctx, l, 1)
}

// A program that logs the error and continues does not panic and records nothing.
func TestRefusedInstrumentsRecordNothing(t *testing.T) {
	m := newMetrics(t, true)
	m.exposition(t) // the app runs now: a refused name does not stop it
	meter := m.app.Meter()
	refused[lane](t, meter, "a b")  // an illegal name
	refused[lane](t, meter, "hits") // a name that is used already
	refused[float64](t, meter, "disallowed")
	if got := m.exposition(t); strings.Contains(got, "disallowed") || strings.Contains(got, "hits_total{") || strings.Contains(got, "a b") {
		t.Errorf("got\n%s", got)
	}

	if s, err := instrument.NewSummary[lane](noop.Meter{}, "refused"); err == nil {
		t.Error("a summary of any meter is made")
	} else {
		s.Observe(context.Background(), lane{}, 1)
	}
	if h, err := instrument.NewHistogram[lane](meter, "refused", instrument.Buckets(2, 1)); err == nil {
		t.Error("a histogram of any boundaries is made")
	} else {
		h.Observe(context.Background(), lane{}, 1)
	}
}

// The SDK itself returns an error beside an instrument that records.
func TestRefusedByAnotherMeter(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("app")
	refused[lane](t, meter, "a b")
	var found metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &found); err != nil || len(found.ScopeMetrics) != 0 {
		t.Errorf("got %+v, %v", found, err)
	}
}

// Check returns the errors of all constructors, also of those that refuse an argument
// themselves.
func TestCheckReturnsRefusals(t *testing.T) {
	app := newApp(true)
	meter := app.Meter()
	_, _ = instrument.NewHistogram[lane](meter, "no_boundary", instrument.Buckets())
	_, _ = instrument.NewHistogram[lane](meter, "infinite", instrument.Buckets(math.Inf(-1), 1))
	_, _ = instrument.NewCounter[float64](meter, "c")
	_, _ = instrument.NewUpDownCounter[struct{ le string }](meter, "u")
	_, _ = instrument.NewGauge[float64](meter, "g")
	_, _ = instrument.NewSummary[float64](meter, "s")
	_, _ = instrument.NewSummary[lane](meter, "sizes")
	_, _ = instrument.NewGauge[lane](meter, "sizes_sum")
	_, _ = instrument.NewSummary[lane](meter, "a.b")
	_, _ = meter.Float64Histogram("nan", metric.WithExplicitBucketBoundaries(1, math.NaN(), 3))
	_, _ = meter.Int64Histogram("falling", metric.WithExplicitBucketBoundaries(2, 1))
	_, _ = meter.Int64ObservableGauge("observed_int", metric.WithInt64Callback(nil))
	_, _ = meter.Float64ObservableCounter("observed_float", metric.WithFloat64Callback(nil))
	_, _ = meter.RegisterCallback(nil)
	err := app.Check()
	if err == nil {
		t.Fatal("Check returned nil")
	}
	const service = `service "Metered": `
	for _, want := range []string{
		`histogram "no_boundary": buckets: must have at least one finite boundary`, `histogram "infinite": buckets[0]: must be a finite number, found -Inf`,
		`counter "c": labels: must be a struct`, `up-down counter "u": struct { le string }.le: must be exported`, `gauge "g": labels: `, `summary "s": labels: `,
		`gauge "sizes_sum": service "Metered" has a summary named "sizes"`, `summary "a.b": would be "a_b" on /metrics; use that name`,
		`histogram "nan": boundaries[1]: must be a finite number, found NaN`, `metric "observed_int": the callback is nil`,
		`metric "observed_float": the callback is nil`, `RegisterCallback: the callback is nil`,
	} {
		if !strings.Contains(err.Error(), service+want) {
			t.Errorf("Check does not say %s%s", service, want)
		}
	}
	if !strings.Contains(err.Error(), "[2 1]") {
		t.Error("Check does not return the error of OpenTelemetry's SDK")
	}
	if t.Failed() {
		t.Log(err)
	}
}
