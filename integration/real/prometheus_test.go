package real

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// server scrapes and evaluates PromQL.
type server struct {
	name, url string
	restart   func() // kills it, and starts it again on the same data
}

// startPrometheus starts a server with a configuration: prometheus2, prometheus3,
// which receives OTLP too, or victoria.
func startPrometheus(t *testing.T, name, config string, flags ...string) server {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	file, data, listen := filepath.Join(dir, "scrape.yml"), filepath.Join(dir, "data"), "127.0.0.1:"+strconv.Itoa(port)
	check.Must(t, os.WriteFile(file, []byte(config), 0o600))
	s, ready := server{name: name, url: local(port)}, "/-/ready"
	switch name {
	case "victoria":
		ready = "/health"
		flags = append(flags, "-promscrape.config="+file, "-storageDataPath="+data, "-httpListenAddr="+listen, "-search.latencyOffset=0s", "-retentionPeriod=1d")
	case "prometheus3":
		flags = append(flags, "--web.enable-otlp-receiver")
		fallthrough
	default:
		flags = append(flags, "--config.file="+file, "--storage.tsdb.path="+data, "--web.listen-address="+listen)
	}
	begin := func() process { return start(t, s.url+ready, command(t, name, flags...)) }
	running := begin()
	s.restart = func() {
		running.kill()
		running = begin()
	}
	return s
}

// scrapeConfig scrapes targets as two jobs: without labels, and with the labels
// that a Prometheus Operator gives its targets, of which one is endpoint.
func scrapeConfig(targets map[string]int) string {
	var b strings.Builder
	b.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n")
	for _, job := range []string{"plain", "operator"} {
		fmt.Fprintf(&b, "- job_name: %s\n  static_configs:\n", job)
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			labels := "instance: " + name
			if job == "operator" {
				labels += fmt.Sprintf(", endpoint: http, namespace: models, pod: %s-0, yatai_ai_bento_deployment: summarization", name)
			}
			fmt.Fprintf(&b, "  - {targets: ['127.0.0.1:%d'], labels: {%s}}\n", targets[name], labels)
		}
	}
	return b.String()
}

// sample is one series of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// ask evaluates a query now.
func (s server) ask(t *testing.T, query string) []sample { return s.askAt(t, query, time.Now()) }

// askAt evaluates a query as of a time.
func (s server) askAt(t *testing.T, query string, at time.Time) []sample {
	t.Helper()
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	s.get(t, fmt.Sprintf("/api/v1/query?query=%s&time=%.3f", url.QueryEscape(query), float64(at.UnixMilli())/1000), &answer)
	if answer.Status != "success" {
		t.Fatalf("%s: %s: %s", s.name, query, answer.Error)
	}
	var samples []sample
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %s: the value %q", s.name, query, text)
		}
		samples = append(samples, sample{r.Metric, value})
	}
	return samples
}

// get reads JSON from another path of the server.
func (s server) get(t *testing.T, path string, into any) {
	t.Helper()
	res, err := http.Get(s.url + path) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// key returns the labels of a series in one string, without those that are named
// and with le as a number.
func (s sample) key(without ...string) string {
	var pairs []string
	for name, value := range s.labels {
		if slices.Contains(without, name) {
			continue
		}
		if name == "le" {
			if f, err := strconv.ParseFloat(value, 64); err == nil {
				value = strconv.FormatFloat(f, 'g', -1, 64)
			}
		}
		pairs = append(pairs, name+"="+strconv.Quote(value))
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// vector returns the values of samples by key.
func vector(samples []sample, without ...string) map[string]float64 {
	v := map[string]float64{}
	for _, s := range samples {
		v[s.key(without...)] += s.value
	}
	return v
}
