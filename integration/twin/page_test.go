package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/deploy"
	"github.com/ekiben-serving/ekiben/internal/migrate"
	"github.com/ekiben-serving/ekiben/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host serves the twin until the test ends and returns its URL.
func host(t *testing.T, f flags) string {
	t.Helper()
	f.Set = append(f.Set, "shutdown.idle=0", "logging.access.enabled=false")
	app, err := build(f, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx, listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

func file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// request is one step of recorded traffic: path and body; no body is a GET.
type request struct{ name, path, body string }

func recordedTraffic() []request {
	post := func(path, body string) request { return request{path, "/" + path, body} }
	hello := post("summarize", `{"text":"hello there"}`)
	encode := post("encode", `{"texts":["a","bb"]}`)
	return []request{
		hello, hello, hello, hello, hello,
		post("summarize", `{"text":"boom"}`), post("summarize", `{"text":"slow"}`),
		post("summarize", `{"text":`), post("summarize", `{"text":4}`),
		{"GETsummarize", "/summarize", ""}, {"GETnope", "/nope/abc", ""},
		encode, encode, encode, encode,
		post("v1/score", `{"xs":[1,2,3]}`), post("encode", `{"texts":[]}`), post("encode", `{"texts":5}`),
		{"readyz", "/readyz", ""},
	}
}

// drive sends traffic and returns what the recording calls its statuses.
func drive(t *testing.T, url string, traffic []request) string {
	t.Helper()
	var statuses strings.Builder
	for _, r := range traffic {
		method := http.MethodPost
		if r.body == "" {
			method = http.MethodGet
		}
		status, _, _ := send(t, method, url+r.path, r.body, http.Header{"Content-Type": {"application/json"}})
		fmt.Fprintf(&statuses, "%s %d\n", r.name, status)
	}
	return statuses.String()
}

func send(t *testing.T, method, url, body string, header http.Header) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header, string(content)
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	_, _, page := send(t, http.MethodGet, url+"/metrics", "", nil)
	return page
}

// The twin's pages are BentoML's: every family with its type and help, every
// series with its labels, every value that is not a time.
func TestPages(t *testing.T) {
	lengths := request{"lengths", "/lengths", `{"text":"abc"}`}
	for _, test := range []struct {
		recording string
		flags     flags
		traffic   []request
		statuses  string
	}{
		{"default", flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8}, recordedTraffic(), "default.statuses.txt"},
		{"exponential-2-workers", flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8, Set: []string{
			"metrics.duration={min: 0.1, max: 10.0, factor: 1.2}", "workers=2",
		}}, recordedTraffic(), "default.statuses.txt"},
		{"two-services", flags{App: "two-services"}, []request{lengths, lengths, lengths}, ""},
	} {
		t.Run(test.recording, func(t *testing.T) {
			t.Parallel()
			url := host(t, test.flags)
			statuses := drive(t, url, test.traffic)
			if test.statuses != "" && statuses != file(t, test.statuses) {
				t.Errorf("statuses:\n%s", statuses)
			}
			recorded, served := file(t, test.recording+".metrics.txt"), scrape(t, url)
			if test.recording == "default" {
				drive(t, url, []request{{"livez", "/livez", ""}, {"readyz", "/readyz", ""}}) // as whoever recorded did
				unnoticed(t, recorded, scrape(t, url))
			}
			want, got := parsePage(t, recorded), parsePage(t, served)
			for _, difference := range differences(want, got) {
				t.Error(difference)
			}
		})
	}
}

// unnoticed asks ekiben migrate-check of a move from BentoML to the twin: no
// dashboard would notice, nor would any of the queries that people run.
func unnoticed(t *testing.T, recorded, served string) {
	t.Helper()
	old, err1 := migrate.Parse("BentoML", []byte(recorded), "")
	twin, err2 := migrate.Parse("twin", []byte(served), "")
	dashboard, err3 := migrate.Read("dashboard.json", []byte(file(t, "dashboard.json")))
	rules, err4 := migrate.Read("rules.yaml", []byte(file(t, "rules.yaml")))
	files, err5 := deploy.Files(deploy.Options{})
	ours, err6 := migrate.Read("ours", files["grafana/dashboard.json"])
	alerts, err7 := migrate.Read("alerts", files["prometheus/rules.yml"])
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	queries := slices.Concat(dashboard, rules, onlyBentoML(ours), onlyBentoML(alerts))
	report := migrate.NewReport(old, twin, queries, migrate.Options{})
	if report.Counted != 0 || report.Unchecked != 0 || report.Queries < 15 {
		var text strings.Builder
		_ = report.WriteText(&text)
		t.Errorf("%d queries:\n%s", report.Queries, text.String())
	}
}

// onlyBentoML leaves out the queries of what BentoML has not.
func onlyBentoML(queries []migrate.Query) []migrate.Query {
	return slices.DeleteFunc(queries, func(q migrate.Query) bool {
		return strings.Contains(q.Text, "ekiben_") || strings.Contains(q.Text, "go_")
	})
}

// The comparison itself must see what it is for.
func TestDifferencesAreSeen(t *testing.T) {
	page := file(t, "default.metrics.txt")
	for name, change := range map[string][2]string{
		"help":    {"# HELP summary_requests_total Total", "# HELP summary_requests_total total"},
		"type":    {"response_size_bytes summary", "response_size_bytes histogram"},
		"value":   {`summary_requests_total{status="success"} 5.0`, `summary_requests_total{status="success"} 6.0`},
		"label":   {`{endpoint="summarize"} 55.0`, `{endpoint="other"} 55.0`},
		"bucket":  {`inference_time_seconds_bucket{le="0.2",`, `inference_time_seconds_bucket{le="0.3",`},
		"format":  {`le="1.0"`, `le="1"`},
		"missing": {`summary_requests_total{status="failure"} 1.0`, ``},
	} {
		changed := strings.ReplaceAll(page, change[0], change[1])
		if changed == page || len(differences(parsePage(t, page), parsePage(t, changed))) == 0 {
			t.Errorf("a changed %s is not seen", name)
		}
	}
	if found := differences(parsePage(t, page), parsePage(t, page)); len(found) > 0 {
		t.Errorf("a page differs from itself: %v", found)
	}
}

// page is a classic text page: what stands after HELP and TYPE by family, and
// the values by series.
type page struct {
	meta   map[string]string
	series map[string]string
}

var (
	sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	label  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
	timed  = regexp.MustCompile(`(_duration_seconds_(sum|bucket)|last_request_timestamp_seconds)\{`)
)

// parsePage leaves out what cannot be equal: probes (waiting for the recorded
// server made some), websockets (not served here), pid and worker_index (a
// process here does what several do there, so its counts are their sum).
func parsePage(t *testing.T, text string) page {
	t.Helper()
	p := page{meta: map[string]string{}, series: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			words := strings.SplitN(rest, " ", 3)
			p.meta[words[0]+" "+words[1]] = words[2]
			continue
		}
		m := sample.FindStringSubmatch(line)
		if line == "" || m == nil {
			if line != "" {
				t.Fatalf("cannot parse %q", line)
			}
			continue
		}
		labels := label.FindAllStringSubmatch(m[2], -1)
		key, skip := seriesKey(m[1], labels)
		if skip {
			continue
		}
		if before, ok := p.series[key]; ok {
			p.series[key] = sum(t, before, m[3])
			continue
		}
		p.series[key] = m[3]
	}
	return p
}

func seriesKey(name string, labels [][]string) (key string, skip bool) {
	var kept []string
	for _, l := range labels {
		switch value := l[2]; {
		case l[1] == "pid" || l[1] == "worker_index":
			continue
		case l[1] == "endpoint" && slices.Contains([]string{"/livez", "/readyz", "/healthz"}, value):
			return "", true
		case l[1] == "endpoint" && (value == "/nope/abc" || value == "unmatched"):
			kept = append(kept, `endpoint="*unmatched*"`)
		default:
			kept = append(kept, l[0])
		}
	}
	slices.Sort(kept)
	return name + "{" + strings.Join(kept, ",") + "}", strings.Contains(name, "websocket")
}

func sum(t *testing.T, a, b string) string {
	t.Helper()
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil {
		t.Fatalf("not numbers: %s, %s", a, b)
	}
	return strconv.FormatFloat(x+y, 'f', 1, 64)
}

// differences lists what want has and got has not, and what got has more in
// families that want knows.
func differences(want, got page) []string {
	var found []string
	for key, text := range want.meta {
		if !strings.Contains(key, "websocket") && got.meta[key] != text {
			found = append(found, fmt.Sprintf("%s: want %q, got %q", key, text, got.meta[key]))
		}
	}
	for key, value := range want.series {
		other, ok := got.series[key]
		if !ok || other != value && !timed.MatchString(key) {
			found = append(found, fmt.Sprintf("%s: want %s, got %q", key, value, other))
		}
	}
	for key := range got.series {
		name, _, _ := strings.Cut(key, "{")
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if _, known := want.meta["TYPE "+base]; known && want.series[key] == "" {
			found = append(found, key+": not in the recording")
		}
	}
	return found
}
