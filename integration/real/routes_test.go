package real

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// tee is an OTLP endpoint that hands what it is sent to several: one push, read
// by several routes.
func tee(t *testing.T, to ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for _, base := range to {
			if strings.Contains(base, "/api/v1/") && r.URL.Path != "/v1/metrics" {
				continue // Prometheus takes no spans
			}
			req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, base+r.URL.Path, bytes.NewReader(body))
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			req.Header = r.Header.Clone()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode/100 != 2 {
				w.WriteHeader(res.StatusCode)
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// collectorAt starts a Collector that has OTLP in, and a page and a file out.
type collectorAt struct {
	otlp, page, file string
	restart          func() // kills it, and starts it again
}

func startCollector(t *testing.T) collectorAt {
	t.Helper()
	dir := t.TempDir()
	otlp, out := freePort(t), freePort(t)
	file := filepath.Join(dir, "spans.json")
	text := fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:%d", enable_open_metrics: false}
  file: {path: %q, flush_interval: 100ms}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
    traces: {receivers: [otlp], exporters: [file]}
`, otlp, out, file)
	config := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	running := start(t, local(out)+"/metrics", nil, need(t, "collector"), "--config", config)
	return collectorAt{local(otlp), local(out) + "/metrics", file, func() {
		running.kill()
		running = start(t, local(out)+"/metrics", nil, need(t, "collector"), "--config", config)
	}}
}

// receiving starts a Prometheus 3 that takes OTLP.
func receiving(t *testing.T, scrape string, flags ...string) server {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	file := filepath.Join(dir, "scrape.yml")
	if err := os.WriteFile(file, []byte(scrape), 0o600); err != nil {
		t.Fatal(err)
	}
	s := server{name: "prometheus3", url: local(port)}
	command := append([]string{need(t, "prometheus3"), "--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:" + strconv.Itoa(port), "--web.enable-otlp-receiver"}, flags...)
	running := start(t, s.url+"/-/ready", nil, command...)
	s.restart = func() {
		running.kill()
		running = start(t, s.url+"/-/ready", nil, command...)
	}
	return s
}

// moving are the metrics that move by being read and pushed.
var moving = regexp.MustCompile(`^(go_.*|ekiben_otlp_(exported_total|last_success_timestamp_seconds))$`)

// routes are the ways out of a twin.
type route struct {
	name   string
	series map[string]float64
	second string // how le of one second is written
}

// TestRoutes reads one twin by four routes, under load and at rest.
func TestRoutes(t *testing.T) {
	collector := startCollector(t)
	receiver := receiving(t, "global: {scrape_interval: 1m}\n")
	port := freePort(t)
	base := local(port)
	start(t, base+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(port), "--set", "otlp.enabled=true", "--set", "otlp.interval=0.5",
		"--set", "otlp.endpoint="+tee(t, collector.otlp, receiver.url+"/api/v1/otlp"), "--set", "tracing.enabled=true", "--set", "tracing.sample_rate=1",
		"--set", "metrics.conventions=bentoml,http", "--set", "logging.access.enabled=false", "--set", "traffic.timeout=5")
	exposed := ""
	read := func() []route {
		var routes []route
		add := func(name string, samples []sample, text string) {
			routes = append(routes, route{name, vector(samples), spelled(samples, text)})
		}
		classic, text := page(t, base+"/metrics", "text/plain")
		add("classic text", classic, text)
		open, text := page(t, base+"/metrics", "application/openmetrics-text")
		add("OpenMetrics", open, text)
		exposed = text
		collected, text := page(t, collector.page, "text/plain")
		add("OTLP → Collector 0.155 → its page", collected, text)
		add("OTLP → Prometheus 3.16", receiver.ask(t, `{job="Summarization"}`), "")
		return routes
	}

	load, stop := context.WithCancel(t.Context())
	var driving sync.WaitGroup
	driving.Go(func() {
		for load.Err() == nil {
			send(t, "POST", base+"/summarize", `{"text":"x"}`)
			send(t, "POST", base+"/encode", `{"texts":["a","bb"]}`)
		}
	})
	drive(t, base)
	var under []route
	eventually(t, "all series under load", func() bool {
		under = read()
		return same(under[0], under[2], false) && same(under[0], under[3], false)
	})
	stop()
	driving.Wait()
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

// same reports whether a route has arrived where the page is: its series, or
// their values too.
func same(page, r route, values bool) bool {
	theirs := map[string]float64{}
	for key, value := range r.series {
		theirs[stripped(key)] = value
	}
	for key, value := range page.series {
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

// added are the labels that a route gives to every series.
var added = regexp.MustCompile(`,?(otel_scope_[a-z_]+|job|instance)="[^"]*"`)

func stripped(key string) string {
	return strings.Replace(added.ReplaceAllString(key, ""), "{,", "{", 1)
}

const ofSummary = "`_bucket{le=\"+Inf\"}` of a summary"

// compareRoute holds a route against the classic page, and returns its line in
// the table.
func compareRoute(t *testing.T, when string, page, r route, values bool) string {
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
	for key, want := range page.series {
		got, there := theirs[key]
		delete(theirs, key)
		switch {
		case !there:
			missing++
			t.Errorf("%s%s lacks %s", when, r.name, key)
		case values && got != want && !moving.MatchString(nameOf(key)):
			t.Errorf("%s%s: %s is %v, the page says %v", when, r.name, key, got, want)
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
	share := "all" // of how many depends on when batches went
	if alike < len(page.series) {
		share = fmt.Sprintf("%d of %d", alike, len(page.series))
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s |\n", r.name, share, missing, r.second, list(labels), list(gained))
}

// spelled is how a route writes the boundary of one second: on its page, or in
// its answers.
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

var traceOnPage = regexp.MustCompile(`request_duration_seconds_bucket\{.*# \{trace_id="([0-9a-f]{32})"`)

// exemplars finds the spans that the page's duration buckets name among those
// that the Collector was sent.
func exemplars(t *testing.T, page, file string) {
	t.Helper()
	ids := traceOnPage.FindAllStringSubmatch(page, -1)
	if len(ids) == 0 {
		t.Error("no exemplar on the duration buckets")
	}
	eventually(t, "the spans of exemplars", func() bool {
		spans, err := os.ReadFile(file)
		return err == nil && !slices.ContainsFunc(ids, func(m []string) bool { return !bytes.Contains(spans, []byte(m[1])) })
	})
}

// eventually waits for what another process is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 300 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("waited in vain for %s", what)
}

// settles waits until nothing is found to be wrong, or reports what still is.
// What a busy machine's scrapes miss is there after some more of them.
func settles(t *testing.T, wrong func() []string) {
	t.Helper()
	var found []string
	for range 40 {
		if found = wrong(); len(found) == 0 {
			return
		}
		time.Sleep(2 * time.Second)
	}
	for _, problem := range found {
		t.Error(problem)
	}
}
