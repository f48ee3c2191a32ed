package prometheus

import (
	"context"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// twinSets are sets of attributes that differ, with the same labels on /metrics.
var twinSets = map[string][]attribute.Set{
	"line breaks":   {attribute.NewSet(attribute.String("v", "a\rb")), attribute.NewSet(attribute.String("v", "a\nb")), attribute.NewSet(attribute.String("v", "a\r\nb"))},
	"keys":          {attribute.NewSet(attribute.String("a.b", "1")), attribute.NewSet(attribute.String("a_b", "1"))},
	"bool":          {attribute.NewSet(attribute.Bool("v", true)), attribute.NewSet(attribute.String("v", "true"))},
	"int":           {attribute.NewSet(attribute.Int("v", 200)), attribute.NewSet(attribute.String("v", "200"))},
	"invalid UTF-8": {attribute.NewSet(attribute.String("v", "\xff")), attribute.NewSet(attribute.String("v", "\xfe")), attribute.NewSet(attribute.String("v", "\uFFFD"))},
	"empty label": {attribute.NewSet(attribute.String("a", ""), attribute.String("v", "1"), attribute.String("z", "")),
		attribute.NewSet(attribute.String("v", "1")), attribute.NewSet(attribute.String("a", ""), attribute.String("v", "1"))},
	"empty label only": {attribute.NewSet(), attribute.NewSet(attribute.String("v", ""))},
}

// TestTwins records each set of attributes once, beside one that has no twin. The set
// number n gets the value 1<<n, so that a lost one shows.
func TestTwins(t *testing.T) {
	for name, sets := range twinSets {
		t.Run(name, func(t *testing.T) {
			first := ""
			for range 10 { // the SDK's order is random
				r := newRig(t, DefaultConfig(), inBothForms)
				r.native = true
				recordTwins(r, sets)
				page := r.page(false)
				if first == "" {
					first = page
				}
				same(t, "another exporter", page, first)
				same(t, "the next scrape", r.page(false), first)
				checkTwins(t, "classic", parse(t, page), sets)
				checkTwins(t, "openmetrics", parse(t, classicOf(r.page(true))), sets)
				families := messages(t, get(r, "Accept", prom3pb).Body)
				checkTwins(t, "protobuf", families, sets)
				if got := nativeCount(twinOf(families["took"])); got != int64(len(sets)) {
					t.Errorf("the native histogram counts %d, want %d", got, len(sets))
				}
				if got, want := r.ScrapeErrors(), int64(4); got != want { // of the gauge
					t.Errorf("%d errors, want %d; log:\n%s", got, want, r.log)
				}
			}
		})
	}
}

func recordTwins(r *rig, sets []attribute.Set) {
	ctx := context.Background()
	m, native := r.mp.Meter("app"), r.mp.Meter("a native")
	record := func(set attribute.Set, v int) {
		with := metric.WithAttributeSet(set)
		must(m.Int64Counter("calls")).Add(ctx, int64(v), with)
		must(m.Float64UpDownCounter("level")).Add(ctx, float64(v), with)
		must(m.Int64Gauge("depth")).Record(ctx, int64(v), with)
		for _, m := range []metric.Meter{m, native} {
			must(m.Float64Histogram("took", metric.WithExplicitBucketBoundaries(1, 2))).Record(ctx, float64(v), with)
		}
	}
	record(attribute.NewSet(attribute.String("v", "other")), 100)
	for n, set := range sets {
		record(set, 1<<n)
	}
}

// twinOf returns the series of f that is not the one without twins.
func twinOf(f *dto.MetricFamily) *dto.Metric {
	for _, m := range f.GetMetric() {
		if len(m.Label) == 0 || m.Label[0].GetValue() != "other" {
			return m
		}
	}
	return nil
}

func checkTwins(t *testing.T, format string, families map[string]*dto.MetricFamily, sets []attribute.Set) {
	t.Helper()
	for name, f := range families {
		if len(f.GetMetric()) != 2 {
			t.Errorf("%s: %s has %d series, want 2: %v", format, name, len(f.GetMetric()), f)
		}
	}
	sum := float64(int(1)<<len(sets) - 1)
	if got := twinOf(families["calls_total"]).GetCounter().GetValue(); got != sum {
		t.Errorf("%s: the counter is %v, want %v", format, got, sum)
	}
	if got := twinOf(families["level"]).GetGauge().GetValue(); got != sum {
		t.Errorf("%s: the up-down counter is %v, want %v", format, got, sum)
	}
	if got := twinOf(families["depth"]).GetGauge().GetValue(); got != 1 && got != 2 && got != 4 {
		t.Errorf("%s: the gauge is %v, want one of the values", format, got)
	}
	h := twinOf(families["took"]).GetHistogram()
	if h.GetSampleCount() != uint64(len(sets)) || h.GetSampleSum() != sum || h.Bucket[0].GetCumulativeCount() != 1 || h.Bucket[1].GetCumulativeCount() != 2 {
		t.Errorf("%s: the histogram is %v", format, h)
	}
}

// nativeCount returns the total of the buckets of a native histogram.
func nativeCount(m *dto.Metric) int64 {
	total, n := int64(0), int64(0)
	for _, delta := range m.GetHistogram().GetPositiveDelta() {
		n += delta
		total += n
	}
	return total
}
