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

// recorded is a page of BentoML's.
func recorded(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "integration", "twin", "testdata", "default.metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func parse(t testing.TB, name, text string) *migrate.Page {
	t.Helper()
	p, err := migrate.Parse(name, []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// without cuts the lines out that contain a text.
func without(page, text string) string {
	var kept []string
	for line := range strings.Lines(page) {
		if !strings.Contains(line, text) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// counted are the differences that count, as text.
func counted(differences []migrate.Difference) []string {
	var texts []string
	for _, d := range differences {
		if d.Because == "" {
			texts = append(texts, d.String())
		}
	}
	return texts
}

// Each way in which a page can differ is found, and nothing else with it.
func TestCompare(t *testing.T) {
	old := recorded(t)
	const duration = "bentoml_service_request_duration_seconds"
	for name, test := range map[string]struct {
		change func(string) string
		want   []string
	}{
		"nothing":         {func(p string) string { return p }, nil},
		"family lost":     {func(p string) string { return without(p, "bentoml_service_request_total") }, []string{"bentoml_service_request_total: family lost"}},
		"pid, documented": {func(p string) string { return strings.ReplaceAll(p, `pid="24767",`, "") }, nil},
		"family gained":   {func(p string) string { return p + "# TYPE more gauge\nmore 1.0\n" }, nil},
		"type changed": {func(p string) string {
			return strings.ReplaceAll(p, "# TYPE bentoml_service_request_in_progress gauge", "# TYPE bentoml_service_request_in_progress counter")
		}, []string{"bentoml_service_request_in_progress: type changed: gauge → counter"}},
		"label lost": {func(p string) string { return strings.ReplaceAll(p, `method_name="encode",`, "") + "" }, []string{
			"bentoml_service_adaptive_batch_size{method_name}: values lost: encode"}},
		"label of all lost": {func(p string) string {
			return strings.ReplaceAll(p, `,worker_index="1"`, "")
		}, []string{"bentoml_service_adaptive_batch_size{worker_index}: label lost"}},
		"label gained": {func(p string) string {
			return strings.ReplaceAll(p, `,worker_index="1"`, `,worker_index="1",zone="a"`)
		}, []string{"bentoml_service_adaptive_batch_size{zone}: label gained"}},
		"value lost": {func(p string) string {
			return strings.ReplaceAll(p, `service_version="not available"`, `service_version="2"`)
		}, []string{
			"bentoml_service_adaptive_batch_size{service_version}: values lost: not available", "bentoml_service_last_request_timestamp_seconds{service_version}: values lost: not available",
			"bentoml_service_request_duration_seconds{service_version}: values lost: not available", "bentoml_service_request_in_progress{service_version}: values lost: not available",
			"bentoml_service_request_total{service_version}: values lost: not available"}},
		"boundary lost": {func(p string) string { return without(p, `le="2.5"`) }, []string{
			duration + "{le}: boundary lost: 2.5"}},
		"boundary added": {func(p string) string {
			return p + duration + `_bucket{endpoint="/encode",http_response_code="200",le="0.3",runner_name="Summarization",service_name="Summarization",service_version="not available"} 1.0` + "\n"
		}, nil},
		"spelling":          {func(p string) string { return strings.ReplaceAll(p, `le="1.0"`, `le="1"`) }, nil},
		"values of samples": {func(p string) string { return strings.ReplaceAll(p, " 5.0\n", " 6.0\n") }, nil},
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
					t.Fatal("the page was not changed")
				}
				if strings.HasPrefix(name, "boundary lost") {
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

// What docs/compatibility.md explains is listed, and does not count.
func TestDocumented(t *testing.T) {
	// The websocket families are those of BentoML 1.4.
	old := oldPage + `# TYPE ns_websocket_connections gauge
ns_websocket_connections{endpoint="/a"} 1.0
# TYPE ns_websocket_data_received summary
ns_websocket_data_received_count{endpoint="/a"} 1.0
ns_websocket_data_received_sum{endpoint="/a"} 5.0
# TYPE ns_websocket_data_sent summary
ns_websocket_data_sent_count{endpoint="/a"} 1.0
ns_websocket_data_sent_sum{endpoint="/a"} 5.0
# TYPE ns_last_request_timestamp_seconds gauge
ns_last_request_timestamp_seconds{pid="7",runner_name="S"} 1.0
ns_request_total{endpoint="/favicon.ico",http_response_code="404",runner_name="S"} 1.0
`
	moved := strings.NewReplacer(`pid="7",`, "", "/favicon.ico", "unmatched").Replace(without(old, "websocket"))
	before, after := parse(t, "old", old), parse(t, "new", moved)
	query := migrate.Query{Text: `sum(ns_request_total) + sum(ns_last_request_timestamp_seconds)`}
	report := migrate.NewReport(before, after, []migrate.Query{query}, migrate.Options{})
	if report.Counted != 0 || len(report.Differences) < 5 {
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
	newPage = `# TYPE ns_request_total counter
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

// A query notices what it asks for, and only that.
func TestCheck(t *testing.T) {
	before, after := parse(t, "old", oldPage), parse(t, "new", newPage)
	known := map[string]bool{"job:errors:rate5m": true}
	for query, want := range map[string]string{
		`rate(ns_seconds_count{endpoint="/a"}[5m])`:                                                 "",
		`rate(ns_seconds_count{exported_endpoint="/a",endpoint="http",job="x"}[5m])`:                "",
		`sum by (job, namespace) (ns_seconds_sum{job="x"})`:                                         "",
		`{__name__="job:errors:rate5m"} > 1`:                                                        "",
		`job:errors:rate5m > 1`:                                                                     "",
		`vector(1) + time()`:                                                                        "",
		`histogram_quantile(0.9, rate(ns_seconds_bucket[5m]))`:                                      "",
		`rate(ns_seconds_bucket{le="1.0"}[5m])`:                                                     "goes empty: selects 1 series on the old page and 0 on the new",
		`ns_request_total{runner_name="S"}`:                                                         "goes empty: selects 2 series on the old page and 0 on the new",
		`sum(ns_request_total) by (runner_name)`:                                                    "selects 2 series on the old page and 3 on the new; asks for the label runner_name, which only the old page has",
		`max(ns_seconds_sum) by (exported_endpoint) > on (runner_name) group_left ns_seconds_count`: "",
		`count({__name__=~"ns_seconds_(sum|count)"})`:                                               "",
		`nobody_knows{a="b"}`:                                                                       "(selects nothing on either page)",
		`sum(`:                                                                                      "must be PromQL: 1:5: parse error: unclosed left parenthesis",
	} {
		var got []string
		for _, f := range migrate.Check(migrate.Query{Where: "here", Text: query}, before, after, known) {
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
	found := migrate.Check(migrate.Query{Text: "ns_request_total", Label: "runner_name"}, before, after, nil)
	if len(found) != 2 || found[1].Text != "asks for the label runner_name, which only the old page has" {
		t.Errorf("a variable: %+v", found)
	}
}

// What Grafana would replace is replaced, wherever it stands.
func TestVariables(t *testing.T) {
	for text, want := range map[string]string{
		`rate(a{b="$c"}[$__rate_interval])`:                    `rate(a{b="ekiben_anything"}[5m])`,
		`rate(a{b=~"x.*$"}[5m] offset $o)`:                     `rate(a{b=~"x.*$"}[5m] offset 5m)`,
		`a{b="\"$c"} + a{b='${c:regex}'}`:                      `a{b="\"ekiben_anything"} + a{b='ekiben_anything'}`,
		`topk($n, sum(a) by ($g, job))`:                        `topk(ekiben_operand, sum(a) by (ekiben_anything, job))`,
		`sum by($g)(a[[x]]_total) / sum without ([[g]])(${m})`: `sum by(ekiben_anything)(aekiben_anything_total) / sum without (ekiben_anything)(ekiben_operand)`,
		`$metric{a="b"}`:                                       `ekiben_anything{a="b"}`,
		`max_over_time(a[${x}:$y])`:                            `max_over_time(a[5m:5m])`,
		`rate(a[${x}m:${y}s] offset ${z}h)`:                    `rate(a[5m:5s] offset 5h)`,
		`rate(a[$x$y])`:                                        `rate(a[55m])`,
		`$agg($func(a[5m])) / ${m}`:                            `ekiben_function(ekiben_function(a[5m])) / ekiben_operand`,
		`${agg:raw} by ($g) (a)`:                               `ekiben_function by (ekiben_anything) (a)`,
		`a{$f} + a{b="c", ${f}}`:                               `a{ekiben_anything="ekiben_anything"} + a{b="c", ekiben_anything="ekiben_anything"}`,
		`a{$l="c"} @ ${__to:date:seconds}`:                     `a{ekiben_anything="c"} @ ekiben_operand`,
		`a{b=~${c:doublequote}, d!=$e}`:                        `a{b=~"ekiben_anything", d!="ekiben_anything"}`,
		`a{b="c" $more ${evenmore}}`:                           `a{b="c" ,ekiben_anything="ekiben_anything" ,ekiben_anything="ekiben_anything"}`,
		`$agg(5, a) + $agg by (x, y) (5, a)`:                   `ekiben_function(5, a) + ekiben_function by (x, y) (5, a)`,
		`${fn}(0.99, sum by (le) ($f(a{b=")"}[5m])))`:          `ekiben_function(0.99, sum by (le) (ekiben_function(a{b=")"}[5m])))`,
		`$f($q, a[5m]) + $f(a[5m], 60) + $f(a, 1)`:             `ekiben_function(ekiben_operand, a[5m]) + ekiben_function(a[5m], 60) + ekiben_function(a, 1)`,
		`a $op 3`:                    `a ekiben_operator 3`,
		` a / on (x) $m $op bool $n`: ` a / on (x) ekiben_operand ekiben_operator bool ekiben_operand`,
		`sum(a) by (x) [[op]] on (x) group_left $m`: `sum(a) by (x) ekiben_operator on (x) group_left ekiben_operand`,
		`$m $op (a offset $o) or $n and a`:          `ekiben_operand ekiben_operator (a offset 5m) or ekiben_operand and a`,
	} {
		content := fmt.Sprintf(`{"panels":[{"title":"p","targets":[{"refId":"A","expr":%q}]}]}`, text)
		queries, err := migrate.Dashboard("d.json", []byte(content))
		if err != nil || len(queries) != 1 || queries[0].Text != want || queries[0].Where != "d.json › p (A)" {
			t.Errorf("%s:\n got %+v, %v\nwant %s", text, queries, err, want)
			continue
		}
		page := parse(t, "page", oldPage)
		for _, f := range migrate.Check(queries[0], page, page, nil) {
			if strings.HasPrefix(f.Text, "must be") {
				t.Errorf("%s: %s", text, f.Text)
			}
		}
	}
}

// A query of many functions that are variables is given up, and what is shown of
// it is what its author knows.
func TestManyFunctions(t *testing.T) {
	page := parse(t, "page", oldPage)
	text := strings.Repeat("$f(1, ", 200) + "a $op " + strings.Repeat(")", 200)
	queries, err := migrate.Dashboard("d", fmt.Appendf(nil, `{"panels":[{"targets":[{"expr":%q}]}]}`, text))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	found := migrate.Check(queries[0], page, page, nil)
	if len(found) != 1 || !found[0].Unchecked || strings.Contains(found[0].Query, "ekiben_") || time.Since(start) > 5*time.Second {
		t.Errorf("after %s: %+v", time.Since(start), found)
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
	for name, text := range map[string]string{"not json": "{", "no panels": "{}", "a list": "[]"} {
		if _, err := migrate.Dashboard(name, []byte(text)); err == nil || !strings.HasPrefix(err.Error(), name+": must ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"not yaml": "a: [", "no groups": "a: 1\n", "wrong": "groups: 4\n", "nothing": ""} {
		if _, _, err := migrate.Rules(name, []byte(text)); err == nil || !strings.HasPrefix(err.Error(), name+": must ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A page by URL is asked for as text, and what is no page is named with what
// was found.
func TestLoad(t *testing.T) {
	answers := map[string]http.HandlerFunc{
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
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	defer server.Close()
	for path, want := range map[string]string{"/ok": "", "/open": "", "/error": "must answer 200, found 502", "/slow": "deadline exceeded", "/cut": "unexpected EOF", "/endless": "must be at most 64 MB"} {
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

// Both formats of one page are the same page.
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
			t.Errorf("a page differs from itself: %v", differences)
		}
	})
}

func FuzzDashboard(f *testing.F) {
	f.Add(`{"panels":[{"title":"p","targets":[{"expr":"rate(a{b=\"$c\"}[$d]) by ($e)"}]}]}`)
	f.Add(`{"panels":[{"targets":[{"expr":"${"},{"expr":"[["},{"expr":"$"},{"expr":")))]]"}]}]}`)
	page := parse(f, "page", oldPage)
	f.Fuzz(func(_ *testing.T, text string) {
		queries, err := migrate.Dashboard("d", []byte(text))
		if err != nil {
			return
		}
		_ = migrate.NewReport(page, page, queries, migrate.Options{Ignore: []string{text}})
	})
}
