package real

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// panelQuery is one query of the dashboard.
type panelQuery struct{ panel, ref, expr string }

func dashboardQueries(t *testing.T) []panelQuery {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				RefID string `json:"refId"`
				Expr  string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(content, &dashboard); err != nil {
		t.Fatal(err)
	}
	var queries []panelQuery
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, panelQuery{panel.Title, target.RefID, target.Expr})
		}
	}
	return queries
}

// observed starts a twin under steady traffic, whose numbers are known, a real
// BentoML under the same, and a Prometheus with our rules that scrapes the twin
// twice: as it is, and with the label that an operator adds.
func observed(t *testing.T) (s server, stop func()) {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join("..", "..", "deploy", "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	port, other := freePort(t), freePort(t)
	theirs := local(other)
	s = receiving(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- {job_name: plain, static_configs: [{targets: ['127.0.0.1:%d']}]}
- {job_name: bentoml, static_configs: [{targets: ['127.0.0.1:%d']}]}
- {job_name: operator, static_configs: [{targets: ['127.0.0.1:%d'], labels: {endpoint: http, namespace: models, pod: bento-0}}]}
`, rules, port, other, port))
	base := local(port)
	start(t, theirs+"/readyz", []string{"BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME=" + t.TempDir()},
		need(t, "bentoml"), "serve", "service:Summarization", "--working-dir", service, "-p", strconv.Itoa(other), "--host", "127.0.0.1")
	start(t, base+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(port), "--set", "logging.access.enabled=false", "--set", "traffic.max_concurrency=40",
		"--set", "otlp.enabled=true", "--set", "otlp.interval=0.5", "--set", "otlp.endpoint="+tee(t))
	var sending sync.WaitGroup
	done := make(chan struct{})
	every := func(pause time.Duration, path, body string) {
		sending.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					for _, to := range []string{base, theirs} {
						sending.Go(func() { _, _ = post(t.Context(), to+path, body) })
					}
				}
			}
		})
	}
	every(100*time.Millisecond, "/encode", `{"texts":["a","bb"]}`) // 10/s, of 10 ms each
	every(250*time.Millisecond, "/summarize", `{"text":"boom"}`)   // 4/s, all of them failing
	for range 4 {
		every(500*time.Millisecond, "/summarize", `{"text":"sleep:0.3"}`) // 8/s, of 0.3 s each: 2.4 in progress
	}
	return s, func() { close(done); sending.Wait() }
}

// TestDashboard evaluates every query of the dashboard and of the rules on known
// traffic: none is empty, and those whose answer the traffic gives are right.
func TestDashboard(t *testing.T) {
	s, stop := observed(t)
	defer stop()
	time.Sleep(20 * time.Second) // what the ranges are in the dashboard, and some
	for job, by := range map[string]string{"plain": "endpoint", "bentoml": "endpoint", "operator": "exported_endpoint"} {
		t.Run(job, func(t *testing.T) { settles(t, func() []string { return panelsOnTraffic(t, s, job, by) }) })
	}
	t.Run("rules", func(t *testing.T) { settles(t, func() []string { return rulesOnTraffic(t, s) }) })
}

// panelsOnTraffic says what is wrong with the answers to the dashboard's
// queries, for one job, grouped by what the dashboard's variables find.
func panelsOnTraffic(t *testing.T, s server, job, by string) (wrong []string) {
	t.Helper()
	// the dashboard has one job chosen; a matcher that all its metrics have is added
	replace := strings.NewReplacer("$__rate_interval", "15s", "$service", ".*", "$version", ".*", "$endpoint", ".*", "$job", job, "$by", by)
	asked := map[string]map[string]float64{}
	for _, q := range dashboardQueries(t) {
		answer := vector(s.ask(t, forJob(t, replace.Replace(q.expr), job)))
		for key, v := range answer {
			if math.IsNaN(v) && (strings.Contains(q.expr, "histogram_quantile") || strings.Contains(q.expr, "/")) {
				delete(answer, key) // nothing happened there
			}
		}
		if len(answer) == 0 && (job != "bentoml" || !strings.Contains(q.expr, "ekiben_") && !strings.Contains(q.expr, "go_")) {
			wrong = append(wrong, fmt.Sprintf("%s: %s (%s) is empty: %s", job, q.panel, q.ref, replace.Replace(q.expr)))
		}
		asked[q.panel+" "+q.ref] = answer
	}
	if job == "bentoml" {
		return wrong // what it answers how fast is its own affair
	}
	for _, want := range []struct {
		panel, series string
		low, high     float64
	}{
		{"Requests A", `{` + by + `="/encode"}`, 8, 11},
		{"Requests A", `{` + by + `="/summarize"}`, 9, 13},
		{"Answers A", `{http_response_code="500"}`, 3, 5},
		{"Failing share A", `{` + by + `="/summarize"}`, 0.25, 0.45},
		{"Failing share A", `{` + by + `="/encode"}`, 0, 0},
		{"Share of the limit A", `{}`, 0, 0.3},
		{"Quantiles A", `{}`, 0.005, 0.05},
		{"Quantiles C", `{}`, 0.25, 0.5},
		{"Items in a batch A", `{method_name="encode"}`, 2, 4},
		{"Time in queue and in the function, p90 B", `{method_name="encode"}`, 0.01, 0.05},
		{"Since the last request A", `{}`, 0, 5},
		{"Since the last push A", `{signal="metrics"}`, 0, 5},
		{"Errors of the page and the configuration B", ``, 0, 0},
	} {
		for key, got := range asked[want.panel] {
			if (key == want.series || want.series == "") && (got < want.low || got > want.high) {
				wrong = append(wrong, fmt.Sprintf("%s: %s %s is %v, want %v to %v", job, want.panel, key, got, want.low, want.high))
			}
		}
		if _, there := asked[want.panel][want.series]; want.series != "" && !there {
			wrong = append(wrong, fmt.Sprintf("%s: %s has no %s: %v", job, want.panel, want.series, asked[want.panel]))
		}
	}
	return wrong
}

// forJob adds the job to every selector of a query.
func forJob(t *testing.T, query, job string) string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	selectors := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			selectors[v.Name] = true
		}
		return nil
	})
	text := expr.String()
	for name := range selectors {
		text = strings.ReplaceAll(text, name+"{", name+`{job="`+job+`",`)
	}
	return text
}

// rulesOnTraffic says what is wrong with what the rules record, and with each
// alert's value without the threshold that it is compared with.
func rulesOnTraffic(t *testing.T, s server) (wrong []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name   string `json:"name"`
					Query  string `json:"query"`
					Type   string `json:"type"`
					Health string `json:"health"`
					Error  string `json:"lastError"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	s.get(t, "/api/v1/rules", &answer)
	n := 0
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			n++
			if rule.Health != "ok" && rule.Health != "unknown" || rule.Error != "" {
				wrong = append(wrong, fmt.Sprintf("%s: %s %s", rule.Name, rule.Health, rule.Error))
			}
			for _, value := range valuesOf(t, rule.Query) {
				if strings.Contains(value, "offset 1h") {
					continue // there was nothing an hour ago
				}
				got := vector(s.ask(t, value))
				for _, job := range []string{"plain", "operator"} {
					found := false
					for key := range got {
						found = found || strings.Contains(key, `job="`+job+`"`)
					}
					if !found {
						wrong = append(wrong, fmt.Sprintf("%s: %s has nothing for %s: %v", rule.Name, value, job, got))
					}
				}
			}
		}
	}
	if n < 20 {
		wrong = append(wrong, fmt.Sprintf("%d rules", n))
	}
	for key, got := range vector(s.ask(t, `service:requests_failed:ratio_rate5m{job!="bentoml"}`)) {
		if got < 0.12 || got > 0.25 { // 4 of 22
			wrong = append(wrong, fmt.Sprintf("%s: %v", key, got))
		}
	}
	for key, got := range vector(s.ask(t, `service:requests_slow:ratio_rate5m{job!="bentoml"}`)) {
		if got > 0.05 {
			wrong = append(wrong, fmt.Sprintf("%s: %v", key, got))
		}
	}
	return wrong
}

// valuesOf are the parts of an alert's expression that are compared with a
// threshold, or the expression itself.
func valuesOf(t *testing.T, query string) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var values []string
	var walk func(e parser.Expr)
	walk = func(e parser.Expr) {
		b, ok := e.(*parser.BinaryExpr)
		switch {
		case ok && b.Op.IsSetOperator():
			walk(b.LHS)
			walk(b.RHS)
		case ok && b.Op.IsComparisonOperator():
			values = append(values, b.LHS.String())
		default:
			values = append(values, e.String())
		}
	}
	walk(expr)
	return values
}
