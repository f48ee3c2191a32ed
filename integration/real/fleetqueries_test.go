package real

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// asked lists queries that people run, and how far both sides must agree. Counts
// must be equal. Rates may differ by a fifth, because a busy machine misses some
// scrapes of a short window. Quantiles of known latencies must be in their bucket.
var asked = []struct {
	query string
	agree func(a, b float64) bool
	how   string
}{
	{`histogram_quantile(0.99, rate(bentoml_service_request_duration_seconds_bucket{endpoint="/summarize",http_response_code="200",job="plain",X}[1m]))`, within(0.1, 10), "bucket"},
	{`histogram_quantile(0.5, rate(bentoml_service_request_duration_seconds_bucket{endpoint="/summarize",http_response_code="200",job="plain",X}[1m]))`, within(0.1, 0.25), "bucket"},
	{`rate(bentoml_service_request_total{service_name="Summarization",endpoint="/encode",job="plain",X}[1m])`, near, "20 %"},
	{`sum by(exported_endpoint) (bentoml_service_request_in_progress{S,X})`, exact, "exact"},
	{`sum by(exported_endpoint) (increase(bentoml_service_request_total{S,X}[2m]))`, near, "20 %"},
	{`sum(rate(bentoml_service_request_total{S,http_response_code!~"[4-5].*",X}[2m])) / sum(rate(bentoml_service_request_total{S,X}[2m]))`, near, "20 %"},
	{`histogram_quantile(0.95, sum(rate(bentoml_service_request_duration_seconds_bucket{S,exported_endpoint="/summarize",http_response_code=~"2.*",X}[2m])) by (le, exported_endpoint))`, within(0.1, 0.25), "bucket"},
	{`sum(bentoml_service_request_in_progress{namespace="models",pod=~".*-0",runner_name="Summarization",exported_endpoint!~"/(livez|readyz|healthz|metrics)",X}) by (namespace)`, exact, "exact"},
	{`sum(rate(bentoml_service_request_total{P,X}[2m]))`, near, "20 %"},
	{`histogram_quantile(0.95, sum(rate(bentoml_service_request_duration_seconds_bucket{P,exported_endpoint="/summarize",http_response_code="200",X}[5m])) by (le)) * 1000`, within(100, 250), "bucket"},
	{`sum(rate(bentoml_service_request_total{P,http_response_code=~"5..",X}[5m])) / (sum(rate(bentoml_service_request_total{P,X}[5m])) + 0.001) * 100`, near, "20 %"},
	{`sum(rate(bentoml_service_request_duration_seconds_sum{exported_endpoint="/summarize",http_response_code="200",job="operator",X}[5m])) by (job) / sum(rate(bentoml_service_request_duration_seconds_count{exported_endpoint="/summarize",http_response_code="200",job="operator",X}[5m])) by (job)`, within(0.1, 0.6), "0.1 s to 0.6 s"},
	{`sum(bentoml_service_request_total{job="plain",http_response_code!="200",X})`, exact, "exact"},
	{`sum(bentoml_service_request_total{job="plain",endpoint="/summarize",http_response_code=~"5..",X})`, exact, "exact"},
	{`sum(bentoml_service_request_duration_seconds_count{job="plain",endpoint!~"/readyz|/metrics",X})`, exact, "exact"},
	{`sum(bentoml_service_request_in_progress{job="plain",X})`, exact, "exact"},
	{`histogram_quantile(0.95, sum(rate(inference_time_seconds_bucket{job="plain",X}[5m])) by (le))`, near, "20 %"},
	{`histogram_quantile(0.95, sum(rate(bentoml_service_model_inferencing_duration_seconds_bucket{job="plain",X}[5m])) by (le))`, within(0.05, 0.1), "bucket"},
	{`sum(bentoml_service_adaptive_batch_size_count{job="plain",X}) by (method_name, worker_index)`, exact, "exact"},
	{`sum(summary_requests_total{job="plain",X}) by (status)`, exact, "exact"},
	{`response_size_bytes_sum{job="plain",X}`, exact, "exact"},
	{`time() - bentoml_service_last_request_timestamp_seconds{job="plain",X} < bool 60`, exact, "exact"},
}

// ranges are replaced by a shorter window. A rate over a series that is younger than
// its range depends on the time of the first scrape.
var ranges = regexp.MustCompile(`\[[125]m\]`)

const (
	window = "[30s]"
	warmup = 32 * time.Second
	yatai  = `namespace="models",yatai_ai_bento_deployment=~"summ.*",exported_endpoint!="/",exported_endpoint!="/docs.json",exported_endpoint!="/robots.txt",exported_endpoint!~"/static_content/.*|/readyz"`
	pods   = `pod=~".*-0",exported_endpoint!="/readyz"`
)

func exact(a, b float64) bool { return a == b }
func near(a, b float64) bool  { return math.Abs(a-b) <= 0.2*math.Max(math.Abs(a), math.Abs(b)) }

func within(low, high float64) func(a, b float64) bool {
	return func(a, b float64) bool { return low <= a && a <= high && low <= b && b <= high }
}

// queries evaluates each query for both sides. It returns a table and the
// differences.
func queries(t *testing.T, servers []server) (table string, wrong []string) {
	t.Helper()
	return queriesIn(t, servers, "bentoml_service")
}

// queriesIn is like queries, for a namespace. BentoML always has adaptive_batch_size in
// its default namespace.
func queriesIn(t *testing.T, servers []server, namespace string) (table string, wrong []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("`S` stands for `" + yatai + "`, `P` for `" + pods + "`, and each query runs against each of the two sides, over `" + window + "`.\n\n| query | agree |")
	for _, s := range servers {
		b.WriteString(" " + titles[s.name] + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(servers)) + "\n")
	for _, q := range asked {
		if namespace != "bentoml_service" && !strings.Contains(q.query, "bentoml_service_request_") {
			continue
		}
		q.query = strings.ReplaceAll(q.query, "bentoml_service_request_", namespace+"_request_")
		fmt.Fprintf(&b, "| `%s` | %s |", strings.ReplaceAll(strings.ReplaceAll(q.query, ",X}", "}"), "|", "\\|"), q.how)
		for _, s := range servers {
			sides := map[string]map[string]float64{}
			for _, side := range []string{python_, golang} {
				query := ranges.ReplaceAllString(strings.ReplaceAll(q.query, ",X}", `,instance="`+side+`"}`), window)
				query = strings.NewReplacer("{S,", "{"+yatai+",", "{P,", "{"+pods+",").Replace(query)
				sides[side] = vector(s.ask(t, query), "instance", "pid", "pod")
			}
			n, differ := agree(s.name+": "+q.query, sides[python_], sides[golang], q.agree)
			wrong = append(wrong, differ...)
			fmt.Fprintf(&b, " %d alike |", n)
		}
		b.WriteString("\n")
	}
	return b.String(), wrong
}

// agree compares two vectors. It returns how many series agree and which do not.
func agree(what string, a, b map[string]float64, agrees func(a, b float64) bool) (alike int, differ []string) {
	if len(a) == 0 {
		differ = append(differ, what+": no result")
	}
	for key := range union(a, b) {
		x, there := a[key]
		y, here := b[key]
		if !there || !here || math.IsNaN(x) != math.IsNaN(y) || !math.IsNaN(x) && !agrees(x, y) {
			differ = append(differ, fmt.Sprintf("%s: %s: BentoML %v (%t), twin %v (%t)", what, key, x, there, y, here))
			continue
		}
		alike++
	}
	return alike, differ
}
