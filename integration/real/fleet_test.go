package real

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
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

var update = flag.Bool("update", false, "write the reports into docs/compatibility.md")

// The two sides of the fleet, as the label instance has them.
const (
	python_ = "bentoml"
	golang  = "twin"
)

// send sends a request and says what it was answered.
func send(t *testing.T, method, url, body string) int {
	t.Helper()
	status, err := request(t.Context(), method, url, body)
	if err != nil {
		t.Error(err)
	}
	return status
}

func post(ctx context.Context, url, body string) (int, error) {
	return request(ctx, http.MethodPost, url, body)
}

func request(ctx context.Context, method, url, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	return res.StatusCode, nil
}

// drive sends one side what every side is sent: known latencies, errors of
// each kind, batches.
func drive(t *testing.T, base string) {
	t.Helper()
	for _, c := range []struct {
		times              int
		method, path, body string
		status             int
	}{
		{20, "POST", "/summarize", `{"text":"sleep:0.15"}`, 200},
		{3, "POST", "/summarize", `{"text":"boom"}`, 500},
		{2, "POST", "/summarize", `{"text":4}`, 400},
		{2, "GET", "/summarize", ``, 405},
		{10, "POST", "/encode", `{"texts":["a","bb"]}`, 200},
		{3, "POST", "/v1/score", `{"xs":[1,2,3]}`, 200},
		{2, "GET", "/readyz", ``, 200},
	} {
		for range c.times {
			if got := send(t, c.method, base+c.path, c.body); got != c.status {
				t.Errorf("%s%s %s: %d, want %d", base, c.path, c.body, got, c.status)
			}
		}
	}
}

// fleet starts the sides and what scrapes them: Prometheus 2 from a twin that
// has OpenMetrics switched off, as that Prometheus cannot be told what to ask
// for, and the others from one as it is by default.
func fleet(t *testing.T) (bases map[string]string, servers []server) {
	t.Helper()
	ports := map[string]int{python_: freePort(t), golang: freePort(t), "classic": freePort(t)}
	bases = map[string]string{}
	for name, port := range ports {
		bases[name] = local(port)
	}
	service, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	start(t, bases[python_]+"/readyz", []string{"BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME=" + t.TempDir()},
		need(t, "bentoml"), "serve", "service:Summarization", "--working-dir", service, "-p", strconv.Itoa(ports[python_]), "--host", "127.0.0.1")
	start(t, bases[golang]+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(ports[golang]), "--set", "traffic.timeout=5")
	start(t, bases["classic"]+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(ports["classic"]), "--set", "traffic.timeout=5", "--set", "metrics.openmetrics=false")
	return bases, []server{
		scraping(t, "prometheus2", map[string]int{python_: ports[python_], golang: ports["classic"]}),
		scraping(t, "prometheus3", map[string]int{python_: ports[python_], golang: ports[golang]}),
		scraping(t, "victoria", map[string]int{python_: ports[python_], golang: ports[golang]}),
	}
}

// each calls do for all sides at once.
func each(bases map[string]string, do func(base string)) {
	var sides sync.WaitGroup
	for _, base := range bases {
		sides.Go(func() { do(base) })
	}
	sides.Wait()
}

// TestMixedFleet is the proof of drop-in: one real BentoML and one twin, the
// same traffic, scraped by one Prometheus. No series of one lacks its
// counterpart in the other but for the documented differences, and the queries
// that people run give the same answer for both.
func TestMixedFleet(t *testing.T) {
	bases, servers := fleet(t)
	each(bases, func(base string) { // so that every series is there before it counts
		send(t, "POST", base+"/summarize", `{"text":"x"}`)
		send(t, "POST", base+"/summarize", `{"text":"boom"}`)
		send(t, "POST", base+"/summarize", `{"text":4}`)
		send(t, "GET", base+"/summarize", "")
		send(t, "POST", base+"/encode", `{"texts":["a"]}`)
		send(t, "POST", base+"/v1/score", `{"xs":[1]}`)
	})
	t.Run("in progress", func(t *testing.T) { inProgress(t, bases, servers) })
	time.Sleep(warmup)
	var report strings.Builder
	var wrong []string
	for range 3 { // what a busy machine's scrapes miss is missed by one side only, and not each time
		steadily(t, bases, servers)
		each(bases, func(base string) { drive(t, base) })
		time.Sleep(6 * time.Second)
		report.Reset()
		wrong = nil
		for _, compare := range []func(*testing.T, []server) (string, []string){series, together, queries} {
			text, found := compare(t, servers)
			report.WriteString(text)
			wrong = append(wrong, found...)
		}
		if len(wrong) == 0 {
			break
		}
	}
	for _, difference := range wrong {
		t.Error(difference)
	}
	if !t.Failed() {
		published(t, "fleet", report.String())
	}
}

// inProgress holds one request on each side until every server has found both
// by the gauge.
func inProgress(t *testing.T, bases map[string]string, servers []server) {
	t.Helper()
	held2 := map[string]string{ // of each query the series that must be 2
		`sum by (endpoint) (bentoml_service_request_in_progress{job="plain",endpoint="/summarize"})`:                                                                      `{endpoint="/summarize"}`,
		`sum by(exported_endpoint) (bentoml_service_request_in_progress{` + yatai + `})`:                                                                                  `{exported_endpoint="/summarize"}`,
		`sum(bentoml_service_request_in_progress{namespace!="",pod!="",runner_name="Summarization",exported_endpoint!~"/(livez|readyz|healthz|metrics)"}) by (namespace)`: `{namespace="models"}`,
	}
	seen := map[string]float64{}
	for range 5 {
		var held sync.WaitGroup
		for _, base := range bases {
			held.Go(func() { send(t, "POST", base+"/summarize", `{"text":"sleep:4"}`) })
		}
		for range 35 { // tenths of a second, while the requests are held
			for _, s := range servers {
				least := 2.0
				for query, key := range held2 {
					least = min(least, vector(s.ask(t, query))[key])
				}
				seen[s.name] = max(seen[s.name], least)
			}
			time.Sleep(100 * time.Millisecond)
		}
		held.Wait()
		if !slices.ContainsFunc(servers, func(s server) bool { return seen[s.name] != 2 }) {
			return
		}
	}
	t.Errorf("in progress in the fleet: %v, want 2 of each", seen)
}

// documented are the differences that docs/compatibility.md explains.
func documented(key string) string {
	switch {
	case strings.Contains(key, `__name__="ekiben_`), strings.Contains(key, `__name__="go_`):
		return "metrics of our own"
	case strings.Contains(key, "_websocket_"):
		return "no websockets"
	case strings.Contains(key, `__name__="scrape_`), strings.Contains(key, `__name__="up"`):
		return "the scraper's own"
	}
	return ""
}

// series compares what there is of both sides: a table, and what is wrong.
func series(t *testing.T, servers []server) (table string, wrong []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| scraped by | series of BentoML's families on both sides | explained | unexplained |\n|---|---|---|---|\n")
	for _, s := range servers {
		sides := map[string]map[string]float64{}
		for _, side := range []string{python_, golang} {
			sides[side] = vector(s.ask(t, `{instance="`+side+`",job="plain"}`), "instance", "pid")
		}
		both, explained := 0, map[string]bool{} // how many series are explained depends on when batches went
		var unexplained []string
		for key := range maps.All(union(sides[python_], sides[golang])) {
			_, a := sides[python_][key]
			_, b := sides[golang][key]
			why := documented(key)
			switch {
			case why != "":
				explained[why] = true
			case a && b:
				both++
			default:
				unexplained = append(unexplained, fmt.Sprintf("%s: BentoML %t, twin %t", key, a, b))
			}
		}
		slices.Sort(unexplained)
		for _, line := range unexplained {
			wrong = append(wrong, s.name+": "+line)
		}
		notes := slices.Sorted(maps.Keys(explained))
		fmt.Fprintf(&b, "| %s | %d | %s | %d |\n", titles[s.name], both, strings.Join(notes, "; "), len(unexplained))
	}
	return b.String() + "\n", wrong
}

var titles = map[string]string{"prometheus2": "Prometheus 2.42", "prometheus3": "Prometheus 3.16", "victoria": "VictoriaMetrics 1.122"}

func union(a, b map[string]float64) map[string]float64 {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// people's queries, with what both sides must agree in: counts exactly, rates
// but for when they were scraped, which is a fifth of a short window if a busy
// machine misses some scrapes, and quantiles of known latencies by bucket.
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

// Ranges are shorter here than where the queries come from, so that both sides
// have been scraped for as long: a rate over a series that is younger than its
// range depends on when it was first scraped.
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

// queries asks each query of both sides: a table, and what is wrong.
func queries(t *testing.T, servers []server) (table string, wrong []string) {
	t.Helper()
	return queriesIn(t, servers, "bentoml_service")
}

// queriesIn is queries for a namespace. adaptive_batch_size is BentoML's in its
// own namespace whatever is configured.
func queriesIn(t *testing.T, servers []server, namespace string) (table string, wrong []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("`S` stands for `" + yatai + "`, `P` for `" + pods + "`, and each query is asked of the one side and of the other, over `" + window + "`.\n\n| query | agree |")
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

func agree(what string, a, b map[string]float64, agrees func(a, b float64) bool) (alike int, differ []string) {
	if len(a) == 0 {
		differ = append(differ, what+": no answer")
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

// published holds a report against what stands between its marks in
// docs/compatibility.md, or with -update puts it there.
func published(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("..", "..", "docs", "compatibility.md")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+name+", written by integration/real -->\n", "<!-- end "+name+" -->\n"
	before, rest, found := strings.Cut(string(old), begin)
	stands, after, also := strings.Cut(rest, end)
	if !found || !also {
		t.Fatalf("%s lacks %s or %s", file, begin, end)
	}
	text = "\n" + text + "\n"
	if !*update {
		if stands != text {
			t.Errorf("%s does not have what was measured; go test -run MixedFleet -update writes it:\n%s", file, text)
		}
		return
	}
	if err := os.WriteFile(file, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
