package prometheus

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// familiesOf lists the names on the TYPE lines.
func familiesOf(page string) string {
	var out []string
	for line := range strings.SplitSeq(page, "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// TestOrder checks the order of families over the lifetime of an exporter.
func TestOrder(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ctx := context.Background()
	r.Reserve("z_total")
	r.Reserve("absent")
	r.Reserve("m")
	r.Reserve("z_total")
	m := r.mp.Meter("app")
	must(m.Int64Gauge("m")).Record(ctx, 1)
	must(m.Int64Gauge("c")).Record(ctx, 1)
	must(m.Int64Counter("z")).Add(ctx, 1)
	must(m.Int64Gauge("b")).Record(ctx, 1)
	same(t, "first page", familiesOf(r.page(false)), "z_total m b c")
	must(r.mp.Meter("another").Int64Gauge("a")).Record(ctx, 1)
	same(t, "second page", familiesOf(r.page(false)), "z_total m b c a")
	r.Reserve("c")
	same(t, "third page", familiesOf(r.page(false)), "z_total m c b a")

	held := r.take() // like another scrape that is in progress
	same(t, "a scrape beside it", familiesOf(r.page(true)), "z m c b a")
	r.give(held)
}

// TestSeriesComeAndGo checks that series are dropped when an observable stops
// observing them, and that the order is the same when they come back.
func TestSeriesComeAndGo(t *testing.T) {
	r := newRig(t, DefaultConfig())
	var now []string
	m := r.mp.Meter("app")
	must(m.Int64ObservableGauge("up", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		for i, v := range now {
			o.Observe(int64(i), label1("n", v))
		}
		return nil
	})))
	line := func(names ...string) string {
		now = names
		return r.page(false)
	}
	const head = "# HELP up \n# TYPE up gauge\n"
	same(t, "two", line("b", "a"), head+"up{n=\"a\"} 1.0\nup{n=\"b\"} 0.0\n")
	same(t, "another", line("c", "a"), head+"up{n=\"a\"} 1.0\nup{n=\"c\"} 0.0\n")
	same(t, "none", line(), "")
	same(t, "back", line("b"), head+"up{n=\"b\"} 0.0\n")
	for i := range 1000 {
		line(fmt.Sprint(i))
	}
	s := r.take()
	if f := s.index.families["up"]; len(s.index.streams) != 1 || len(f.series) != 1 {
		t.Errorf("%d streams, %d series are remembered, want 1 and 1", len(s.index.streams), len(f.series))
	}
}

func TestNames(t *testing.T) {
	for _, row := range []struct {
		name, unit string
		kind       sdk.InstrumentKind
		want       string
	}{
		{"hits", "", sdk.InstrumentKindCounter, "hits_total"},
		{"total_tokens_total", "", sdk.InstrumentKindObservableCounter, "tokens_total"},
		{"a__b", "", sdk.InstrumentKindUpDownCounter, "a_b"},
		{"share", "1", sdk.InstrumentKindGauge, "share_ratio"},
		{"share", "1", sdk.InstrumentKindObservableUpDownCounter, "share"},
		{"http.server.request.duration", "s", sdk.InstrumentKindHistogram, "http_server_request_duration_seconds"},
		{"4xx", "", sdk.InstrumentKindObservableGauge, "_4xx"},
		{"!!", "", sdk.InstrumentKindGauge, `error: metric "!!": must have a letter or a digit: normalization for metric "!!" resulted in empty name`},
		{"x", "", 0, `error: metric "x": kind must be one of the SDK's instrument kinds, found 0`},
	} {
		got, err := FamilyName(row.name, row.unit, row.kind)
		if err != nil {
			got = "error: " + err.Error()
		}
		same(t, row.name, got, row.want)
	}
	for key, want := range map[string]string{
		"http.method": "http_method", "a__b": "a_b", "1st": "key_1st", "_x": "_x", "é": "error",
		"": "error", "__name__": "error", "__": "error", "...": "error",
	} {
		got, err := LabelName(key)
		if err != nil {
			got = "error"
		}
		same(t, key, got, want)
	}
}
