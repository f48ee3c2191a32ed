package real

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// moving matches the metrics that change when they are read or pushed.
var moving = regexp.MustCompile(`^(go_.*|ekiben_otlp_(exported_total|last_success_timestamp_seconds))$`)

// route is one way to read a twin's metrics.
type route struct {
	name   string
	series map[string]float64
	second string // le of one second as a string
}

// TestRoutes reads the metrics of one twin by four routes, under load and while idle.
// Each route must have the same series and values.
func TestRoutes(t *testing.T) {
	collector := startCollector(t)
	receiver := startPrometheus(t, "prometheus3", "global: {scrape_interval: 1m}\n")
	port := freePort(t)
	base := local(port)
	startTwin(t, port, "otlp.enabled=true", "otlp.interval=0.5", "otlp.endpoint="+tee(t, collector.otlp, receiver.url+"/api/v1/otlp"),
		"tracing.enabled=true", "tracing.sample_rate=1", "metrics.conventions=bentoml,http", "traffic.timeout=5")
	exposed := ""
	read := func() []route {
		var routes []route
		add := func(name string, samples []sample, text string) {
			routes = append(routes, route{name, vector(samples), spelled(samples, text)})
		}
		classic, text := exposition(t, base+"/metrics", "text/plain")
		add("classic text", classic, text)
		open, text := exposition(t, base+"/metrics", "application/openmetrics-text")
		add("OpenMetrics", open, text)
		exposed = text
		collected, text := exposition(t, collector.metrics, "text/plain")
		add("OTLP → Collector 0.155 → its page", collected, text)
		add("OTLP → Prometheus 3.16", receiver.ask(t, `{job="Summarization"}`), "")
		return routes
	}

	_, stop := load(t, clients{1, base + "/summarize", 0, []string{`{"text":"x"}`}}, clients{1, base + "/encode", 0, []string{`{"texts":["a","bb"]}`}})
	drive(t, base)
	var under []route
	eventually(t, "all series under load", func() bool {
		under = read()
		return same(under[0], under[2], false) && same(under[0], under[3], false)
	})
	stop()
	for _, r := range under[1:] {
		compareRoute(t, "under load, ", under[0], r, false)
	}

	var rest []route
	eventually(t, "the last push", func() bool {
		rest = read()
		return same(rest[0], rest[2], true) && same(rest[0], rest[3], true)
	})
	var b strings.Builder
	b.WriteString("| route | the same series | missing | le of one second | labels it adds | series it adds |\n|---|---|---|---|---|---|\n")
	for _, r := range rest {
		b.WriteString(compareRoute(t, "at rest, ", rest[0], r, true))
	}
	exemplars(t, exposed, collector.file)
	if !t.Failed() {
		published(t, "routes", b.String())
	}
}

// same reports whether a route has every series of the classic exposition, and with
// values also their values.
func same(classic, r route, values bool) bool {
	theirs := map[string]float64{}
	for key, value := range r.series {
		theirs[stripped(key)] = value
	}
	for key, value := range classic.series {
		if got, there := theirs[key]; !there || values && got != value && !moving.MatchString(nameOf(key)) {
			return false
		}
	}
	return true
}

var nameInKey = regexp.MustCompile(`__name__="([^"]*)"`)

func nameOf(key string) string {
	if m := nameInKey.FindStringSubmatch(key); m != nil {
		return m[1]
	}
	return ""
}

// added matches the labels that a route adds to every series.
var added = regexp.MustCompile(`,?(otel_scope_[a-z_]+|job|instance)="[^"]*"`)

func stripped(key string) string {
	return strings.Replace(added.ReplaceAllString(key, ""), "{,", "{", 1)
}

const ofSummary = "`_bucket{le=\"+Inf\"}` of a summary"

// compareRoute compares a route with the classic exposition. It returns its row of
// the table.
func compareRoute(t *testing.T, when string, classic, r route, values bool) string {
	t.Helper()
	theirs := map[string]float64{}
	labels := map[string]bool{}
	for key, value := range r.series {
		for _, m := range added.FindAllStringSubmatch(key, -1) {
			labels["`"+m[1]+"`"] = true
		}
		if _, twice := theirs[stripped(key)]; twice {
			t.Errorf("%s%s: %s is there twice", when, r.name, stripped(key))
		}
		theirs[stripped(key)] = value
	}
	alike, missing := 0, 0
	for key, want := range classic.series {
		got, there := theirs[key]
		delete(theirs, key)
		switch {
		case !there:
			missing++
			t.Errorf("%s%s lacks %s", when, r.name, key)
		case values && got != want && !moving.MatchString(nameOf(key)):
			t.Errorf("%s%s: %s is %v, /metrics has %v", when, r.name, key, got, want)
		default:
			alike++
		}
	}
	gained := map[string]bool{}
	for key := range theirs {
		name := nameOf(key)
		if strings.HasSuffix(name, "_bucket") && strings.Contains(key, `le="+Inf"`) {
			gained[ofSummary] = true
		} else {
			gained["`"+name+"`"] = true
		}
	}
	for name := range gained {
		if values && !slices.Contains([]string{"`target_info`", "`otel_scope_info`", ofSummary}, name) {
			t.Errorf("%s%s adds %s", when, r.name, name)
		}
	}
	share := "all" // no number: how many there are depends on the batches
	if alike < len(classic.series) {
		share = fmt.Sprintf("%d of %d", alike, len(classic.series))
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s |\n", r.name, share, missing, r.second, list(labels), list(gained))
}

// spelled returns how a route writes le of one second.
func spelled(samples []sample, page string) string {
	for _, le := range []string{"1.0", "1"} {
		text := "le=" + strconv.Quote(le)
		if strings.Contains(page, text) || page == "" && slices.ContainsFunc(samples, func(s sample) bool { return s.labels["le"] == le }) {
			return "`" + text + "`"
		}
	}
	return "?"
}

func list(of map[string]bool) string {
	if len(of) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}

var traceID = regexp.MustCompile(`request_duration_seconds_bucket\{.*# \{trace_id="([0-9a-f]{32})"`)

// exemplars checks that the Collector received the spans that the exemplars of the
// duration buckets name.
func exemplars(t *testing.T, page, file string) {
	t.Helper()
	ids := traceID.FindAllStringSubmatch(page, -1)
	if len(ids) == 0 {
		t.Error("no exemplar on the duration buckets")
	}
	eventually(t, "the spans of exemplars", func() bool {
		spans, err := os.ReadFile(file)
		return err == nil && !slices.ContainsFunc(ids, func(m []string) bool { return !bytes.Contains(spans, []byte(m[1])) })
	})
}
