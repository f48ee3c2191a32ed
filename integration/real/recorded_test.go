package real

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// rule is a rule as Prometheus's API returns it.
type rule struct {
	Name   string `json:"name"`
	Query  string `json:"query"`
	Type   string `json:"type"`
	Health string `json:"health"`
	Error  string `json:"lastError"`
}

func rulesOf(t *testing.T, s server) (rules []rule) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	s.get(t, "/api/v1/rules", &answer)
	for _, group := range answer.Data.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// rulesOnTraffic checks the values that the rules record, and the value that each
// alert compares with its threshold. It returns the wrong values.
func rulesOnTraffic(t *testing.T, s server) (wrong []string) {
	t.Helper()
	rules := rulesOf(t, s)
	recorded := 0
	for _, r := range rules {
		if r.Health != "ok" || r.Error != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s %s", r.Name, r.Health, r.Error))
		}
		if r.Type == "recording" {
			recorded++
			wrong = append(wrong, recordedOnTraffic(t, s, r.Name)...)
			continue
		}
		for _, value := range valuesOf(t, r.Query) {
			if strings.Contains(value, "offset 1h") {
				continue // there was nothing an hour ago
			}
			answer := vector(s.ask(t, value))
			if r.Name != "EkibenCertificateExpires" { // these jobs have no TLS
				wrong = append(wrong, missing(answer, r.Name+": "+value)...)
			}
			wrong = append(wrong, alertOnTraffic(answer, r.Name)...)
		}
	}
	if recorded != 12 || len(rules) != 26 {
		wrong = append(wrong, fmt.Sprintf("%d rules, of which %d record", len(rules), recorded))
	}
	return wrong
}

// missing returns the jobs that have no series in a vector.
func missing(answer map[string]float64, what string) (wrong []string) {
	for _, job := range []string{"plain", "again", "operator"} {
		found := false
		for key := range answer {
			found = found || strings.Contains(key, `job="`+job+`"`)
		}
		if !found {
			wrong = append(wrong, fmt.Sprintf("%s has nothing for %s: %v", what, job, answer))
		}
	}
	return wrong
}

// numbersOfAlerts has the bands of the values that alerts compare with a threshold.
// a is busy, b has a dead collector and a wrong file, c has 22 of 40 slots taken,
// and f reports one more error each second and a certificate that ends after a day.
var numbersOfAlerts = map[string][]band{
	"EkibenSaturated":      {{`instance="c",job="queued",`, 21. / 40, 23. / 40}, {`instance="d",job="queued",`, 8.5 / 20, 9. / 20}},
	"EkibenBatchRefusals":  {{`job="plain",method_name="encode",`, 0.1, 0.8}, {`job="queued",method_name="encode",`, 0, 0}},
	"EkibenPageIncomplete": {{`instance="f",job="queued"`, 20, 900}, {`instance="a",job="plain"`, 0, 0}},
	"EkibenConfigRefused":  {{`instance="a",job="plain"`, 1, 1}, {`instance="b",job="plain"`, 0, 0}},
	"EkibenOverdue":        {{`instance="a",job="plain"`, 2.5, 3.5}, {`instance="c",job="queued"`, 0, 0}},
	"EkibenBatchHangs":     {{`instance="a",job="plain"`, 0, 0}},

	"EkibenCertificateExpires": {{`instance="f",job="queued"`, 86000, 86401}},
}

// alertOnTraffic checks the value of an alert in all series that contain the name of
// a band. It returns the wrong values.
func alertOnTraffic(answer map[string]float64, name string) (wrong []string) {
	for _, want := range numbersOfAlerts[name] {
		found := 0
		for series, value := range answer {
			if !strings.Contains(series, want.series) {
				continue
			}
			found++
			if !(value >= want.low && value <= want.high) {
				wrong = append(wrong, fmt.Sprintf("%s: %s is %v, want %v to %v", name, series, value, want.low, want.high))
			}
		}
		if found == 0 {
			wrong = append(wrong, fmt.Sprintf("%s has no %s: %v", name, want.series, answer))
		}
	}
	return wrong
}

// recordedOnTraffic checks the values that one rule recorded. A rate over more time
// than has passed is too small by the ratio of the two times; quotients of rates are
// not.
func recordedOnTraffic(t *testing.T, s server, name string) (wrong []string) {
	t.Helper()
	bands := map[string][2]float64{"requests": {0.02, 60}, "requests_failed": {0.2, 0.51}, "requests_slow": {0, 0.05}} // 11 to 25 of 48 fail
	bento := map[string][2]float64{"requests": {0.005, 20}, "requests_failed": {0.09, 0.2}, "requests_slow": {0, 0.2}} // 2 of 15
	queued := map[string][2]float64{"requests": {0.2, 450}, "requests_failed": {0, 0.03}, "requests_slow": {0, 0}}
	parts := strings.Split(name, ":")
	answer := vector(s.ask(t, name), "service_name", "runner_name")
	streams := map[string][2]float64{"requests": {0.02, 60}, "requests_failed": {0, 0}, "requests_slow": {0.2, 2}} // most take more than a second; two services
	tasks := map[string][2]float64{"requests": {0.01, 60}, "requests_failed": {0, 0}, "requests_slow": {0, 0.02}}  // submissions; a failed task is no failed request
	jobs := 10
	if parts[1] == "requests" {
		jobs++ // quiet has no shares
	}
	if parts[0] != "bentoml_service" || len(parts) != 3 || len(answer) != jobs {
		wrong = append(wrong, fmt.Sprintf("%s is %v", name, answer))
	}
	for series, value := range answer {
		want := bands[parts[1]]
		switch {
		case strings.Contains(series, `"bentoml"`):
			want = bento[parts[1]]
		case strings.Contains(series, `"quiet"`):
			want = [2]float64{0, 0}
		case strings.Contains(series, `"queued`):
			want = queued[parts[1]]
		case strings.Contains(series, `"streams`):
			want = streams[parts[1]]
		case strings.Contains(series, `tasks"`):
			want = tasks[parts[1]]
		}
		if !(value >= want[0] && value <= want[1]) {
			wrong = append(wrong, fmt.Sprintf("%s %s is %v, want %v", name, series, value, want))
		}
	}
	return append(wrong, missing(answer, name)...)
}

// valuesOf returns the parts of an alert's expression that are compared with a
// threshold, or the expression itself.
func valuesOf(t *testing.T, query string) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var parts []string
	var walk func(e parser.Expr)
	walk = func(e parser.Expr) {
		inner := e
		for {
			p, ok := inner.(*parser.ParenExpr)
			if !ok {
				break
			}
			inner = p.Expr
		}
		b, ok := inner.(*parser.BinaryExpr)
		switch {
		case ok && b.Op.IsSetOperator():
			walk(b.LHS)
			walk(b.RHS)
		case ok && b.Op.IsComparisonOperator():
			parts = append(parts, b.LHS.String())
		default:
			parts = append(parts, e.String())
		}
	}
	walk(expr)
	return parts
}
