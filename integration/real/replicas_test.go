package real

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	texttemplate "text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// scrapes lists the ways in which a pod is scraped: without labels, with an
// operator's labels, and with an operator's labels and honor_labels. Each has a
// namespace of Kubernetes here.
var scrapes = map[string]struct{ labels, job string }{
	"plain":    {"", ""},
	"operator": {", endpoint: http, container: ekiben", ""},
	"honoring": {", endpoint: http, container: ekiben", ", honor_labels: true"},
}

// labelled has series with the label endpoint that docs/kubernetes.md describes.
var labelled = map[string][]string{
	"operator": {`bentoml_service_request_in_progress{namespace="%s",pod=~"bento-ekiben-6.*",endpoint="http",exported_endpoint="/summarize"}`},
	"honoring": {
		`bentoml_service_request_in_progress{namespace="%s",pod=~"bento-ekiben-6.*",endpoint="/summarize",exported_endpoint=""}`,
		`go_goroutine_count{namespace="%s",pod=~"bento-ekiben-6.*",endpoint="http"}`,
	},
}

// working has two pods of each Deployment, with the requests in progress of each.
var working = map[string]int{"6d4cf56db6-x7kzq": 3, "6d4cf56db6-bb2nm": 2}

// TestReplicas evaluates the queries of KEDA, prometheus-adapter and KServe while a
// known number of requests is in progress. Their results must give the right number
// of replicas. A request that waits for another service of its process counts once.
// Probes do not count, nor do pods of the Collector, of other releases and of other
// namespaces.
func TestReplicas(t *testing.T) {
	kinds := map[string]struct{ prefix, namespace string }{
		"default": {"", "bentoml_service"},
		"other":   {"/ml.v1", "my_team"},
	}
	var scraped strings.Builder
	scraped.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n")
	for kind, k := range kinds {
		pages := map[string]string{}
		for pod, n := range working {
			pages[pod] = holding(t, n, k.prefix, k.namespace)
		}
		for name, s := range scrapes {
			fmt.Fprintf(&scraped, "- job_name: %s-%s\n  static_configs:\n", kind, name)
			for pod, page := range pages {
				for _, owner := range []string{"bento-ekiben", "bento-ekiben-collector", "bento-ekiben-two", "summarization-predictor"} {
					fmt.Fprintf(&scraped, "  - {targets: ['%s'], labels: {namespace: %s-%s, pod: %s-%s%s}}\n", page, kind, name, owner, pod, s.labels)
				}
			}
			if s.job != "" {
				scraped.WriteString("  honor_labels: true\n")
			}
		}
	}
	prometheus := startPrometheus(t, "prometheus3", scraped.String())
	for kind, k := range kinds {
		for name := range scrapes {
			namespace := kind + "-" + name
			set := []string{"--namespace=" + namespace, "autoscaling.inProgress=2", "config.http.path_prefix=" + k.prefix, "config.metrics.namespace=" + strings.ReplaceAll(k.namespace, "_", "-")}
			byKEDA(t, prometheus, namespace, at(objectOf(t, render(t, append(set, "autoscaling.by=keda")...), "ScaledObject", "bento-ekiben"), "spec", "triggers", 0, "metadata"))
			byHPA(t, prometheus, namespace, at(objectOf(t, render(t, append(set, "autoscaling.by=hpa")...), "HorizontalPodAutoscaler", "bento-ekiben"), "spec", "metrics", 0, "pods"))
			if kind != "default" {
				continue // the rest needs the default namespace
			}
			for _, series := range labelled[name] {
				eventually(t, namespace+": "+series, func() bool { return len(prometheus.ask(t, fmt.Sprintf(series, namespace))) == 2 })
			}
			external := at(objectOf(t, strings.ReplaceAll(kserve(t), `namespace="models"`, `namespace="`+namespace+`"`), "InferenceService", "summarization"), "spec", "predictor", "autoScaling", "metrics", 0, "external")
			sumsTo(t, prometheus, namespace+", KServe", text(external, "metric", "query"), 5)
		}
	}
}

// holding serves n requests that do not end: each waits for another service of its
// process. It returns the address of a /metrics on which four probes of each kind
// are in progress too.
func holding(t *testing.T, n int, prefix, namespace string) string {
	t.Helper()
	base := serve(t, "Summarization", waiting, func(c *config.Config) {
		c.HTTP.PathPrefix, c.Metrics.Views.Namespace, c.Traffic.Timeout = prefix, namespace, 10*time.Minute
	})
	send(t, "GET", base+"/livez", "")
	send(t, "GET", base+"/readyz", "")
	ctx, release := context.WithCancel(context.Background())
	var held sync.WaitGroup
	for range n {
		held.Go(func() { _, _ = post(ctx, base+"/summarize", `{}`) })
	}
	probes := regexp.MustCompile(`(_request_in_progress\{endpoint="` + regexp.QuoteMeta(prefix) + `/(?:readyz|livez)"[^}]*\}) \S+`)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := fetch(base + "/metrics")
		if found := len(probes.FindAllString(body, -1)); err != nil || found != 2 {
			t.Errorf("%s/metrics has %d probes: %v", base, found, err)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, probes.ReplaceAllString(body, "$1 4.0"))
	}))
	t.Cleanup(func() { release(); held.Wait(); page.Close() })
	return strings.TrimPrefix(page.URL, "http://")
}

// sumsTo evaluates the query of a scaler, which must return one series.
func sumsTo(t *testing.T, prometheus server, who, query string, want float64) {
	t.Helper()
	var got []sample
	eventually(t, fmt.Sprintf("%s: %v in progress", who, want), func() bool {
		got = prometheus.ask(t, query)
		return len(got) == 1 && got[0].value == want
	})
	if t.Failed() {
		t.Fatalf("%s: %s is %v", who, query, got)
	}
}

// byKEDA does what a trigger of type prometheus does: the sum divided by the threshold.
func byKEDA(t *testing.T, prometheus server, namespace string, trigger any) {
	t.Helper()
	sumsTo(t, prometheus, namespace+", KEDA", text(trigger, "query"), 5)
	threshold, err := strconv.ParseFloat(text(trigger, "threshold"), 64)
	if replicas := math.Ceil(5 / threshold); err != nil || replicas != 3 {
		t.Errorf("%s: KEDA wants %v replicas, want 3: %v", namespace, replicas, err)
	}
}

// byHPA reads the metric of an HPA from prometheus-adapter.
func byHPA(t *testing.T, prometheus server, namespace string, metric any) {
	t.Helper()
	var pods []string
	for suffix := range working {
		pods = append(pods, "bento-ekiben-"+suffix)
	}
	slices.Sort(pods)
	got := map[string]float64{}
	eventually(t, namespace+": prometheus-adapter's result", func() bool {
		got = adapted(t, prometheus, text(metric, "metric", "name"), namespace, pods)
		return maps.Equal(got, map[string]float64{pods[0]: 2, pods[1]: 3})
	})
	if t.Failed() {
		t.Fatalf("%s: %v", namespace, got)
	}
	average, err := strconv.ParseFloat(text(metric, "target", "averageValue"), 64)
	if replicas := math.Ceil(5 / average); err != nil || replicas != 3 {
		t.Errorf("%s: the HPA wants %v replicas, want 3: %v", namespace, replicas, err)
	}
}

// adapted does what prometheus-adapter does with its rule. It serves a metric if the
// rule's series have it with the labels of a namespace and a pod, and evaluates the
// rule's template.
func adapted(t *testing.T, prometheus server, metric, namespace string, pods []string) map[string]float64 {
	t.Helper()
	var config struct {
		Rules struct {
			Custom []struct {
				SeriesQuery string `yaml:"seriesQuery"`
				Resources   struct {
					Overrides map[string]struct {
						Resource string `yaml:"resource"`
					} `yaml:"overrides"`
				} `yaml:"resources"`
				MetricsQuery string `yaml:"metricsQuery"`
			} `yaml:"custom"`
		} `yaml:"rules"`
	}
	if err := yaml.Unmarshal([]byte(read(t, deploy, "kubernetes", "prometheus-adapter.yaml")), &config); err != nil || len(config.Rules.Custom) != 1 {
		t.Fatalf("%v %+v", err, config)
	}
	rule, label := config.Rules.Custom[0], map[string]string{}
	for name, override := range rule.Resources.Overrides {
		label[override.Resource] = name
	}
	var series struct {
		Data []map[string]string `json:"data"`
	}
	prometheus.get(t, "/api/v1/series?match[]="+url.QueryEscape(rule.SeriesQuery), &series)
	if !slices.ContainsFunc(series.Data, func(s map[string]string) bool {
		return s["__name__"] == metric && s[label["namespace"]] == namespace && s[label["pod"]] == pods[0]
	}) {
		return nil
	}
	var query strings.Builder
	check.Must(t, texttemplate.Must(texttemplate.New("").Delims("<<", ">>").Parse(rule.MetricsQuery)).Execute(&query, map[string]string{
		"Series": metric, "GroupBy": label["pod"],
		"LabelMatchers": fmt.Sprintf(`%s="%s",%s=~"%s"`, label["namespace"], namespace, label["pod"], strings.Join(pods, "|")),
	}))
	answers := map[string]float64{}
	for _, s := range prometheus.ask(t, query.String()) {
		answers[s.labels[label["pod"]]] = s.value
	}
	return answers
}
