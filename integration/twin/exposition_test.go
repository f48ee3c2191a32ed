package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDifferences checks that the comparison finds each kind of difference.
func TestDifferences(t *testing.T) {
	recorded := file(t, "default.metrics.txt")
	for name, change := range map[string][2]string{
		"help":    {"# HELP summary_requests_total Total", "# HELP summary_requests_total total"},
		"type":    {"response_size_bytes summary", "response_size_bytes histogram"},
		"value":   {`summary_requests_total{status="success"} 5.0`, `summary_requests_total{status="success"} 6.0`},
		"label":   {`{endpoint="summarize"} 55.0`, `{endpoint="other"} 55.0`},
		"bucket":  {`inference_time_seconds_bucket{le="0.2",`, `inference_time_seconds_bucket{le="0.3",`},
		"format":  {`le="1.0"`, `le="1"`},
		"missing": {`summary_requests_total{status="failure"} 1.0`, ``},
	} {
		changed := strings.ReplaceAll(recorded, change[0], change[1])
		if changed == recorded || len(differences(parse(t, recorded), parse(t, changed))) == 0 {
			t.Errorf("a changed %s is not found", name)
		}
	}
	if found := differences(parse(t, recorded), parse(t, recorded)); len(found) > 0 {
		t.Errorf("a recording differs from itself: %v", found)
	}
}

// exposition is a /metrics in the classic text format: HELP and TYPE by family, and
// values by series.
type exposition struct {
	meta   map[string]string
	series map[string]string
}

var (
	sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	label  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
	timed  = regexp.MustCompile(`(_duration_seconds_(sum|bucket)|last_request_timestamp_seconds)\{`)
)

// parse parses the classic text format. It leaves out series that may differ: probes,
// which waited for the recorded server. It removes pid and worker_index, and sums the series that become equal, because BentoML
// has several processes and Ekiben has one.
func parse(t *testing.T, text string) exposition {
	t.Helper()
	p := exposition{meta: map[string]string{}, series: map[string]string{}}
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
	return name + "{" + strings.Join(kept, ",") + "}", false
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

// differences returns the differences of the families of want. Further families of got
// are ignored.
func differences(want, got exposition) []string {
	var found []string
	for key, text := range want.meta {
		if got.meta[key] != text {
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
