package migrate_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// recorded returns metrics of BentoML.
func recorded(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "integration", "twin", "testdata", "default.metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func parse(t testing.TB, name, text string) *migrate.Metrics {
	t.Helper()
	p, err := migrate.Parse(name, []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check returns the findings of one query.
func check(q migrate.Query, before, after *migrate.Metrics) []migrate.Finding {
	return migrate.NewReport(before, after, []migrate.Query{q}, migrate.Options{}).Findings
}

// without removes the lines that contain text.
func without(page, text string) string {
	var kept []string
	for line := range strings.Lines(page) {
		if !strings.Contains(line, text) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// counted returns the strings of the differences that count.
func counted(differences []migrate.Difference) []string {
	var texts []string
	for _, d := range differences {
		if d.Because == "" {
			texts = append(texts, d.String())
		}
	}
	return texts
}

// Each kind of difference is found, and nothing else.
func TestCompare(t *testing.T) {
	const duration, size, depth = "bentoml_service_request_duration_seconds", "bentoml_service_adaptive_batch_size", "bentoml_service_request_in_progress"
	replaces := func(old, with string) func(string) string {
		return func(p string) string { return strings.ReplaceAll(p, old, with) }
	}
	loses := func(part string) func(string) string { return func(p string) string { return without(p, part) } }
	gains := func(lines string) func(string) string { return func(p string) string { return p + lines } }
	old := recorded(t)
	for name, test := range map[string]struct {
		change func(string) string
		want   []string
	}{
		"nothing":           {gains(""), nil},
		"family lost":       {loses("bentoml_service_request_total"), []string{"bentoml_service_request_total: family lost"}},
		"pid, documented":   {replaces(`pid="24767",`, ""), nil},
		"family gained":     {gains("# TYPE more gauge\nmore 1.0\n"), nil},
		"type changed":      {replaces("# TYPE "+depth+" gauge", "# TYPE "+depth+" counter"), []string{depth + ": type changed: gauge → counter"}},
		"type lost":         {replaces("# TYPE "+depth+" gauge\n", ""), []string{depth + ": type changed: gauge → unknown"}},
		"label lost":        {replaces(`method_name="encode",`, ""), []string{size + "{method_name}: values lost: encode"}},
		"label of all lost": {replaces(`,worker_index="1"`, ""), []string{size + "{worker_index}: label lost"}},
		"label gained":      {replaces(`,worker_index="1"`, `,worker_index="1",zone="a"`), []string{size + "{zone}: label gained"}},
		"value lost": {replaces(`service_version="not available"`, `service_version="2"`), []string{
			size + "{service_version}: values lost: not available", "bentoml_service_last_request_timestamp_seconds{service_version}: values lost: not available",
			duration + "{service_version}: values lost: not available", depth + "{service_version}: values lost: not available", "bentoml_service_request_total{service_version}: values lost: not available"}},
		"boundary lost":     {loses(`le="2.5"`), []string{duration + "{le}: boundary lost: 2.5"}},
		"boundary added":    {gains(duration + `_bucket{endpoint="/encode",http_response_code="200",le="0.3",runner_name="Summarization",service_name="Summarization",service_version="not available"} 1.0` + "\n"), nil},
		"spelling":          {replaces(`le="1.0"`, `le="1"`), nil},
		"values of samples": {replaces(" 5.0\n", " 6.0\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			changed := test.change(old)
			got := counted(migrate.Compare(parse(t, "old", old), parse(t, "new", changed)))
			switch name {
			case "spelling": // of every histogram
				if len(got) == 0 || slices.ContainsFunc(got, func(d string) bool { return !strings.HasSuffix(d, "{le}: spelling of le: 1.0 → 1") }) {
					t.Errorf("got %q", got)
				}
			case "boundary added":
				if !slices.Contains(got, duration+"{le}: boundary added: 0.3") {
					t.Errorf("got %q", got)
				}
			default:
				if name != "nothing" && changed == old {
					t.Fatal("the metrics were not changed")
				}
				if name == "boundary lost" {
					got = slices.DeleteFunc(got, func(d string) bool { return !strings.HasPrefix(d, duration) })
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
				}
			}
		})
	}
}

func TestIgnore(t *testing.T) {
	old := recorded(t)
	changed := strings.ReplaceAll(without(old, "bentoml_service_request_total"), `service_version="not available"`, `service_version="2"`)
	for pattern, left := range map[string]int{"{service_version}": 1, "bentoml_service_request_total": 4, "bentoml_service_request_in_progress{service_version}": 4, "{nobody}": 5} {
		differences := migrate.Compare(parse(t, "old", old), parse(t, "new", changed))
		n := migrate.Ignore(differences, pattern)
		if got := len(counted(differences)); got != left || (n == 0) != (left == 5) {
			t.Errorf("%s: %d left and %d ignored, want %d left", pattern, got, n, left)
		}
	}
}

// Differences of docs/compatibility.md are listed and do not count.
func TestDocumented(t *testing.T) {
	old := oldPage + `# TYPE ns_last_request_timestamp_seconds gauge
ns_last_request_timestamp_seconds{pid="7",runner_name="S"} 1.0
ns_request_total{endpoint="/favicon.ico",http_response_code="404",runner_name="S"} 1.0
`
	moved := strings.NewReplacer(`pid="7",`, "", "/favicon.ico", "unmatched").Replace(old)
	before, after := parse(t, "old", old), parse(t, "new", moved)
	query := migrate.Query{Text: `sum(ns_request_total) + sum(ns_last_request_timestamp_seconds)`}
	report := migrate.NewReport(before, after, []migrate.Query{query}, migrate.Options{})
	if report.Counted != 0 || len(report.Differences) < 2 {
		t.Errorf("got %+v", report)
	}
	for _, kept := range []string{strings.ReplaceAll(moved, "unmatched", "/other"), strings.ReplaceAll(moved, `"S"`, `"T"`)} {
		if report := migrate.NewReport(before, parse(t, "new", kept), []migrate.Query{query}, migrate.Options{}); report.Counted == 0 {
			t.Errorf("nothing counts of\n%s", kept)
		}
	}
}

const (
	oldPage = `# TYPE ns_request_total counter
ns_request_total{endpoint="/a",http_response_code="200",runner_name="S"} 5.0
ns_request_total{endpoint="/a",http_response_code="500",runner_name="S"} 1.0
# TYPE ns_seconds histogram
ns_seconds_bucket{endpoint="/a",le="1.0"} 1.0
ns_seconds_bucket{endpoint="/a",le="+Inf"} 1.0
ns_seconds_count{endpoint="/a"} 1.0
ns_seconds_sum{endpoint="/a"} 0.5
`
	newPage = `# TYPE ekiben_errors_total counter
ekiben_errors_total 1.0
# TYPE ns_request_total counter
ns_request_total{endpoint="/a",http_response_code="200",service="S"} 5.0
ns_request_total{endpoint="/a",http_response_code="500",service="S"} 0.0
ns_request_total{endpoint="/b",http_response_code="200",service="S"} 0.0
# TYPE ns_seconds histogram
ns_seconds_bucket{endpoint="/a",le="1"} 1.0
ns_seconds_bucket{endpoint="/a",le="+Inf"} 1.0
ns_seconds_count{endpoint="/a"} 1.0
ns_seconds_sum{endpoint="/a"} 0.5
`
)

// Only differences of series and labels that a query uses are findings.
func TestCheck(t *testing.T) {
	before, after := parse(t, "old", oldPage), parse(t, "new", newPage)
	known := migrate.Query{Text: "vector(1)", Record: "job:errors:rate5m"}
	for query, want := range map[string]string{
		`rate(ns_seconds_count{endpoint="/a"}[5m])`:                                                 "",
		`rate(ns_seconds_count{exported_endpoint="/a",endpoint="http",job="x"}[5m])`:                "",
		`sum by (job, namespace) (ns_seconds_sum{job="x"})`:                                         "",
		`{__name__="job:errors:rate5m"} > 1`:                                                        "",
		`job:errors:rate5m > 1`:                                                                     "",
		`vector(1) + time()`:                                                                        "",
		`histogram_quantile(0.9, rate(ns_seconds_bucket[5m]))`:                                      "",
		`rate(ns_seconds_bucket{le="1.0"}[5m])`:                                                     "goes empty: selects 1 old and 0 new series",
		`ns_request_total{runner_name="S"}`:                                                         "goes empty: selects 2 old and 0 new series",
		`sum(ns_request_total) by (runner_name)`:                                                    "selects 2 old and 3 new series; uses the label runner_name, which only old series have",
		`max(ns_seconds_sum) by (exported_endpoint) > on (runner_name) group_left ns_seconds_count`: "",
		`count({__name__=~"ns_seconds_(sum|count)"})`:                                               "",
		`increase(ekiben_errors_total[5m]) > 0`:                                                     "(selects no old series)",
		`nobody_knows{a="b"}`:                                                                       "(selects no old series)",
		`sum(`:                                                                                      "must be PromQL: 1:5: parse error: unclosed left parenthesis",
	} {
		var got []string
		for _, f := range migrate.NewReport(before, after, []migrate.Query{known, {Where: "here", Text: query}}, migrate.Options{}).Findings {
			text := f.Text
			if f.Because != "" {
				text = "(" + text + ")"
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s:\n got %s\nwant %s", query, strings.Join(got, "; "), want)
		}
	}
	found := check(migrate.Query{Text: "ns_request_total", Label: "runner_name"}, before, after)
	if len(found) != 2 || found[1].Text != "uses the label runner_name, which only old series have" {
		t.Errorf("a variable: %+v", found)
	}
}

// A query with very many functions that are variables is unchecked, and is shown
// without the words in place of variables.
func TestManyFunctions(t *testing.T) {
	page := parse(t, "page", oldPage)
	text := strings.Repeat("$f(1, ", 200) + "a $op " + strings.Repeat(")", 200)
	queries, err := migrate.Read("d", fmt.Appendf(nil, `{"panels":[{"targets":[{"expr":%q}]}]}`, text))
	if err != nil {
		t.Fatal(err)
	}
	found := check(queries[0], page, page)
	if len(found) != 1 || !found[0].Unchecked || strings.Contains(found[0].Query, "ekiben_") {
		t.Errorf("%+v", found)
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "comments": "# TYPE a gauge\n", "html": "<html><body>404</body></html>", "cut off": "a{b=\"c", "json": `{"a": 1}`, "binary": "\x00\xff\x01",
	} {
		if _, err := migrate.Parse(name, []byte(text), ""); err == nil || !strings.HasPrefix(err.Error(), name+": must ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"not json": "{", "no panels": "{}", "a list": "[]", "not yaml": "a: [", "no groups": "a: 1\n", "wrong": "groups: 4\n", "nothing": "",
		"itself": "a: &a [*a]\n",
	} {
		if _, err := migrate.Read(name, []byte(text)); err == nil || !strings.HasPrefix(err.Error(), name+": must ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Load asks for the text format, and its errors name the URL and what was found.
func TestLoad(t *testing.T) {
	responses := map[string]http.HandlerFunc{
		"/ok": func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
				w.WriteHeader(http.StatusNotAcceptable)
			}
			_, _ = io.WriteString(w, oldPage)
		},
		"/open": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
			_, _ = io.WriteString(w, "# TYPE a counter\na_total{b=\"c\"} 1.0 # {trace_id=\"x\"} 1.0\na_created{b=\"c\"} 1.0\n# EOF\n")
		},
		"/error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"/slow":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"/cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, oldPage)
			_ = z.Flush() // and never closed
		},
		"/endless": func(w http.ResponseWriter, _ *http.Request) {
			line := []byte(strings.Repeat("a", 1<<16))
			for {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { responses[r.URL.Path](w, r) }))
	defer server.Close()
	for path, want := range map[string]string{"/ok": "", "/open": "", "/error": "must respond with 200, found 502", "/slow": "deadline exceeded", "/cut": "unexpected EOF", "/endless": "must be at most 64 MB"} {
		timeout := 10 * time.Second
		if path == "/slow" {
			timeout = 50 * time.Millisecond
		}
		_, err := migrate.Load(context.Background(), server.URL+path, nil, timeout)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if p, err := migrate.Load(context.Background(), "-", strings.NewReader(oldPage), 0); err != nil || p.Name != "standard input" {
		t.Error(err)
	}
}

// The same metrics in both formats do not differ.
func TestFormats(t *testing.T) {
	open := strings.NewReplacer("# TYPE ns_request_total", "# TYPE ns_request").Replace(oldPage) + "# EOF\n"
	if got := migrate.Compare(parse(t, "text", oldPage), parse(t, "openmetrics", open)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(oldPage)
	f.Add("# TYPE a counter\na_total{b=\"c\"} 1.0 # {} 1.0\n# EOF\n")
	f.Add("a{le=\"\xff\"} NaN\n")
	f.Fuzz(func(t *testing.T, text string) {
		page, err := migrate.Parse("page", []byte(text), "")
		if err != nil {
			return
		}
		if differences := counted(migrate.Compare(page, page)); len(differences) != 0 {
			t.Errorf("metrics differ from themselves: %v", differences)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("groups: [{name: g, rules: [{record: a, expr: b}]}]")
	f.Add("spec: {triggers: [{type: prometheus, metadata: {query: a}}]}")
	f.Add("kind: HorizontalPodAutoscaler\nspec: {metrics: [{type: Pods, pods: {metric: {name: a, selector: {matchLabels: {b: c}}}}}]}")
	f.Add("rules: [{seriesQuery: a, metricsQuery: '<<.Series>>', name: {matches: '(', as: b}}]")
	f.Add(`{"spec":{"elements":{"a":{"kind":"Panel","spec":{"data":{"spec":{"queries":[{"spec":{"query":{"spec":{"expr":"a"}}}}]}}}}}}}`)
	f.Add(`{"templating":{"list":[{"name":"e","type":"custom","query":"a,b"}]},"panels":[{"targets":[{"expr":"${e}_total"}]}]}`)
	f.Add(`{"panels":[{"title":"p","targets":[{"expr":"rate(a{b=\"$c\"}[$d]) by ($e)"}]}]}`)
	f.Add(`{"panels":[{"targets":[{"expr":"${"},{"expr":"[["},{"expr":"$"},{"expr":")))]]"}]}]}`)
	page := parse(f, "page", oldPage)
	f.Fuzz(func(_ *testing.T, text string) {
		queries, err := migrate.Read("d", []byte(text))
		if err != nil {
			return
		}
		_ = migrate.NewReport(page, page, queries, migrate.Options{Ignore: []string{text}})
	})
}
