package prometheus

import (
	"bytes"
	"context"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/proto"
)

// parse reads a classic exposition.
func parse(tb testing.TB, page string) map[string]*dto.MetricFamily {
	tb.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	out, err := p.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		tb.Fatalf("the exposition does not parse: %v\n%s", err, page)
	}
	for _, f := range out {
		if f.Help == nil {
			f.Help = proto.String("")
		}
		for _, m := range f.Metric {
			sort.Slice(m.Label, func(i, j int) bool { return m.Label[i].GetName() < m.Label[j].GetName() })
		}
		sort.Slice(f.Metric, func(i, j int) bool { return labelText(f.Metric[i]) < labelText(f.Metric[j]) })
	}
	return out
}

func labelText(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.GetLabel() {
		b.WriteString(l.GetName() + "\xff" + l.GetValue() + "\xff")
	}
	return b.String()
}

var (
	exemplarPart = regexp.MustCompile(`(?m) # \{trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"\} \S+ \S+$`)
	counterLines = regexp.MustCompile(`(?m)^# HELP (\S+) (.*)\n# TYPE \S+ counter$`)
)

// classicOf converts an OpenMetrics exposition to a classic one.
func classicOf(page string) string {
	page = strings.TrimSuffix(page, "# EOF\n")
	page = exemplarPart.ReplaceAllString(page, "")
	page = counterLines.ReplaceAllString(page, "# HELP ${1}_total $2\n# TYPE ${1}_total counter")
	return strings.ReplaceAll(page, `\"quoted\" help`, `"quoted" help`)
}

// TestEqualFamilies reads the same instruments in five ways: both text formats, the
// Gatherer through promhttp and by itself, and OpenTelemetry's own exporter through
// promhttp. The families are the same.
func TestEqualFamilies(t *testing.T) {
	for _, cfg := range []Config{{OpenMetrics: true}, {ScopeLabels: true, TargetInfo: true}} {
		r := newRig(t, cfg)
		recordAll(r)
		classic, open := r.page(false), r.page(true)
		if !strings.Contains(open, " # {") {
			t.Fatal("no exemplar in OpenMetrics")
		}
		want := parse(t, get(promhttp.HandlerFor(r.otel, promhttp.HandlerOpts{})).Body.String())
		sameFamilies(t, "promhttp", parse(t, get(promhttp.HandlerFor(r.Gatherer(), promhttp.HandlerOpts{})).Body.String()), want)
		sameFamilies(t, "classic", parse(t, classic), want)
		sameFamilies(t, "openmetrics", parse(t, classicOf(open)), want)

		gathered := check.Value(r.Gatherer().Gather())(t)
		var b bytes.Buffer
		for _, f := range gathered {
			if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
				t.Fatal(err)
			}
		}
		sameFamilies(t, "gathered", parse(t, classic), parse(t, b.String()))
	}
}

func sameFamilies(t *testing.T, what string, got, want map[string]*dto.MetricFamily) {
	t.Helper()
	if len(got) != len(want) || len(want) < 7 {
		t.Errorf("%s: %d families, want %d and more than 6", what, len(got), len(want))
	}
	for name, w := range want {
		if g := got[name]; !proto.Equal(g, w) {
			t.Errorf("%s: family %s\n got %v\nwant %v", what, name, g, w)
		}
	}
}

func recordAll(r *rig) {
	m := r.mp.Meter("app", metric.WithInstrumentationVersion("1"), metric.WithInstrumentationAttributes(attribute.String("a.b", "c")))
	c := must(m.Int64Counter("calls", metric.WithDescription(`a "quoted" help \ of
two lines`)))
	for _, v := range []string{"a", "b", `q"\`, "ü\n"} {
		c.Add(sampled(), int64(len(v)), metric.WithAttributes(attribute.String("v.w", v), attribute.Int("code", 200)))
	}
	must(m.Float64Counter("spent", metric.WithUnit("s"))).Add(sampled(), 1e9+.5)
	must(m.Int64UpDownCounter("now")).Add(sampled(), -5)
	must(m.Float64Gauge("share", metric.WithUnit("1"))).Record(sampled(), 1e-7)
	h := must(m.Float64Histogram("took", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(.1728, 1, 2.5e6)))
	i := must(m.Int64Histogram("size", metric.WithUnit("By")))
	for _, v := range []float64{.01, .17, 1, 7, 3e6} {
		h.Record(sampled(), v, label1("zone", "z"), label1("endpoint", "/a"))
		i.Record(sampled(), int64(v), label1("endpoint", "/a"))
	}
	o := must(m.Float64ObservableGauge("observed"))
	must(m.RegisterCallback(func(_ context.Context, ob metric.Observer) error {
		ob.ObserveFloat64(o, 4.25, label1("zone", "z"))
		return nil
	}, o))
}

// FuzzLabelValue records any string as a label's value and reads it back from both
// text formats.
func FuzzLabelValue(f *testing.F) {
	for _, s := range []string{"", "/encode", `a"b\c` + "\n", "\xff\xfe", "\x00", "\u2028\ufffd", `\n`, "# EOF", `",le="1`, "a,b=}{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := newRig(t, DefaultConfig())
		must(r.mp.Meter("app").Int64Histogram("h", metric.WithExplicitBucketBoundaries(1))).Record(sampled(), 1, label1("v", value))
		want := legalValue(value)
		for _, page := range []string{r.page(false), strings.TrimSuffix(r.page(true), "# EOF\n")} {
			fam := parse(t, exemplarPart.ReplaceAllString(page, ""))["h"]
			if len(fam.GetMetric()) != 1 {
				t.Fatalf("one series became %d:\n%s", len(fam.GetMetric()), page)
			}
			m := fam.Metric[0]
			if len(m.Label) != 1 || m.Label[0].GetValue() != want || m.Histogram.GetSampleCount() != 1 || len(m.Histogram.Bucket) != 2 {
				t.Fatalf("%q: read %v", value, m)
			}
		}
	})
}
