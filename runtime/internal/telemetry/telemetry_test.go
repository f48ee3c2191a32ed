package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A provider that the user built gets all metrics and is not shut down. There is no
// /metrics. Names are still checked.
func TestForeignProvider(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	r := measure(t, func(s *Settings) { s.Provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)) })
	hits, err := r.Meter("Front").Int64Counter("hits")
	r.check(err)
	if _, err := r.Meter("Front").Int64Gauge("hits"); err == nil || r.Exporter != nil {
		t.Errorf("%v, %v", err, r.Exporter)
	}
	record(r.endpoints("/shout")[0], 200, 0.1)
	r.check(r.Shutdown(bg))
	hits.Add(bg, 2)
	var rm metricdata.ResourceMetrics
	r.check(reader.Collect(bg, &rm))
	var names []string
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	same(t, "collected", strings.Join(names, " "), "ekiben.http.disconnects ekiben.http.overdue ekiben.metrics.invalid ekiben.traffic.concurrency ekiben.traffic.refused hits last_request_timestamp_seconds request_duration_seconds request_in_progress request_total")
}

// /metrics and cumulative pushes share one reader, so that a push does not make
// recording more expensive. Delta pushes need a second reader. A series is allocated
// once for each reader.
func TestReaders(t *testing.T) {
	cost := func(changes ...func(*Settings)) float64 {
		r := measure(t, append(changes, metrics(func(m *config.Metrics) { m.MaxSeries = 0 }))...)
		series, err := r.Meter("Front").Int64Histogram("sizes")
		r.check(err)
		n := 0
		return testing.AllocsPerRun(500, func() {
			n++
			series.Record(bg, 1, metric.WithAttributes(attribute.Int("n", n)))
		})
	}
	none, cumulative, delta := cost(), cost(pushing("cumulative")), cost(pushing("delta"))
	added := cost(func(s *Settings) { s.Readers = []sdkmetric.Reader{sdkmetric.NewManualReader()} })
	if cumulative != none || delta < none+2 || added < none+2 {
		t.Errorf("allocations of a series: %v without a push, %v with a cumulative one, %v with deltas, %v with a reader more", none, cumulative, delta, added)
	}
}

// Each delta push has the values since the last push; each cumulative push has all
// values.
func TestTemporality(t *testing.T) {
	for temporality, want := range map[string]string{"cumulative": "Cumulative 1, Cumulative 3, Cumulative 3, ", "delta": "Delta 1, Delta 2, "} {
		r := measure(t, pushing(temporality))
		hits, err := r.Meter("Front").Int64Counter("hits")
		r.check(err)
		got := ""
		for _, n := range []int64{1, 2, 0} {
			if n > 0 {
				hits.Add(bg, n)
			}
			for _, scope := range r.pushed() {
				for _, m := range scope.Metrics {
					sum := m.Data.(metricdata.Sum[int64])
					got += fmt.Sprintf("%s %d, ", strings.TrimSuffix(sum.Temporality.String(), "Temporality"), sum.DataPoints[0].Value)
				}
			}
		}
		same(t, temporality, got, want)
		same(t, "/metrics", r.samples("hits"), "hits_total 3.0\n")
	}
}

// A panic in a user's callback is an error of the push.
func TestPushedPanics(t *testing.T) {
	for _, temporality := range []string{"cumulative", "delta"} {
		r := measure(t, pushing(temporality))
		_, err := r.Provider.Meter("library").Int64ObservableGauge("broken", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { panic("boom") }))
		r.check(err)
		var rm metricdata.ResourceMetrics
		if err := r.Pushed().Collect(bg, &rm); err == nil || !strings.Contains(err.Error(), "panicked: boom") {
			t.Errorf("%s: got %v", temporality, err)
		}
	}
}

// The exemplar of a bucket has the trace of a request in it, on /metrics and in a
// push.
func TestExemplars(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	const id = "01000000000000000000000000000000"
	for _, changes := range [][]func(*Settings){{pushing("cumulative")}, {pushing("delta")}, {metrics(native)}} {
		r := measure(t, changes...)
		shout := r.endpoints("/shout")[0]
		shout.Begin(someTime)
		shout.End(trace.ContextWithSpanContext(bg, span), 200, 30e6)
		open := matching(r.scrape("application/openmetrics-text;version=1.0.0"), "duration_seconds_bucket", " # ")
		if !strings.Contains(open, `le="0.05"} 1.0 # {trace_id="`+id+`",span_id="0200000000000000"} 0.03 `) || strings.Count(open, "\n") != 1 {
			t.Errorf("OpenMetrics: got %s", open)
		}
		pushed := 0
		for _, scope := range r.pushed() {
			for _, m := range scope.Metrics {
				switch data := m.Data.(type) {
				case metricdata.Histogram[float64]:
					pushed += len(data.DataPoints[0].Exemplars)
				case metricdata.ExponentialHistogram[float64]:
					pushed += len(data.DataPoints[0].Exemplars)
				}
			}
		}
		if pushed != 1 {
			t.Errorf("%d exemplars are pushed", pushed)
		}
	}
	r := measure(t, metrics(native))
	shout := r.endpoints("/shout")[0]
	shout.Begin(someTime)
	shout.End(trace.ContextWithSpanContext(bg, span), 200, 30e6)
	found := 0
	for _, f := range r.protobuf() {
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				for _, l := range b.GetExemplar().GetLabel() {
					if l.GetName() == "trace_id" && l.GetValue() == id {
						found++
					}
				}
			}
		}
	}
	if found != 1 {
		t.Errorf("%d exemplars in protobuf", found)
	}
}

// The number of series of an instrument is limited.
func TestMaxSeries(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.MaxSeries = 3 }))
	hits, err := r.Meter("Front").Int64Counter("hits")
	r.check(err)
	for n := range 5 {
		hits.Add(bg, 1, metric.WithAttributes(attribute.Int("n", n)))
	}
	same(t, "/metrics", r.samples("hits"), "hits_total{n=\"0\"} 1.0\nhits_total{n=\"1\"} 1.0\nhits_total{otel_metric_overflow=\"true\"} 3.0\n")
}

// Off measures nothing, whatever its settings.
func TestOff(t *testing.T) {
	off := Off(Settings{Config: config.Default()})
	if off.On() || off.Exporter != nil || off.Has("bentoml") {
		t.Error("it is on")
	}
	check.OK(t, errors.Join(off.Prepare(Kinds{Batches: true}), off.Register(true), off.ObservePushes(nil, nil, nil, nil), off.Shutdown(bg)))
}

// A reader that belongs to a provider, or belonged to one, is refused, and so is nil.
func TestReaderOfAnotherApp(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	set := Settings{Config: config.Default(), Logger: slog.New(slog.DiscardHandler), Readers: []sdkmetric.Reader{reader}}
	first := check.Value(New(set))(t)
	const want = "runtime.WithReaders: readers[0]: must be a new reader, found one that belongs to another app or provider; it would get no metrics of this app"
	for range 2 {
		if _, err := New(set); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
		if err := first.Shutdown(t.Context()); err != nil && !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			t.Error(err)
		}
	}
	set.Readers = []sdkmetric.Reader{sdkmetric.NewManualReader(), nil}
	_, err := New(set)
	check.Error(t, err, "runtime.WithReaders: readers[1] must not be nil")
}
