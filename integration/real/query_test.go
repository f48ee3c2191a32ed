package real

import (
	"encoding/json"
	"fmt"
	"io"
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
)

// server is something that scrapes, and answers PromQL.
type server struct {
	name, url string
	restart   func() // kills it, and starts it again on the same data
}

// scraping starts a server that scrapes two targets, once as they are and once
// as a Prometheus Operator would: with labels of the target's, endpoint too.
func scraping(t *testing.T, name string, targets map[string]int) server {
	t.Helper()
	return configured(t, name, scrapeConfig(targets))
}

// configured starts a server that scrapes what a configuration says.
func configured(t *testing.T, name, config string) server {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "scrape.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := server{name: name, url: local(port)}
	listen := "127.0.0.1:" + strconv.Itoa(port)
	if name == "victoria" {
		start(t, s.url+"/health", nil, need(t, name), "-promscrape.config="+file, "-storageDataPath="+filepath.Join(dir, "data"),
			"-httpListenAddr="+listen, "-search.latencyOffset=0s", "-retentionPeriod=1d")
	} else {
		start(t, s.url+"/-/ready", nil, need(t, name), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen)
	}
	return s
}

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

// sample is one of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// ask evaluates a query now.
func (s server) ask(t *testing.T, query string) []sample { return s.askAt(t, query, time.Now()) }

// askAt evaluates a query as of a time.
func (s server) askAt(t *testing.T, query string, at time.Time) []sample {
	t.Helper()
	res, err := http.Get(fmt.Sprintf("%s/api/v1/query?query=%s&time=%.3f", s.url, url.QueryEscape(query), float64(at.UnixMilli())/1000)) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
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
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %s: %v %s", s.name, query, err, body)
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

// get reads another answer of the server's.
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

// key is a series without what tells the two sides apart, and with le as a
// number.
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

// vector is an answer by series.
func vector(samples []sample, without ...string) map[string]float64 {
	v := map[string]float64{}
	for _, s := range samples {
		v[s.key(without...)] += s.value
	}
	return v
}
