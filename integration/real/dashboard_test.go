package real

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// band is a series of an answer, and between which numbers its value is. "*" is
// each series that is not named.
type band struct {
	series    string
	low, high float64
}

// onTraffic are the bands of each query of the dashboard, under the traffic of
// busy: 48 requests a second but for probes and documents.
var onTraffic = map[string][]band{
	"Requests A":                               {{`{endpoint="/encode"}`, 24, 36}, {`{endpoint="/summarize"}`, 12.8, 19}, {`{endpoint="/v1/score"}`, 1.6, 2.4}},
	"Answers A":                                {{`{http_response_code="200"}`, 20, 40}, {`{http_response_code="500"}`, 3.2, 4.8}, {`{http_response_code="503"}`, 5, 19}, {`{http_response_code="504"}`, 1.5, 2.5}},
	"Failing share A":                          {{`{endpoint="/encode"}`, 0.16, 0.65}, {`{endpoint="/summarize"}`, 0.3, 0.45}, {`{endpoint="/v1/score"}`, 0, 0}},
	"In progress A":                            {{`{endpoint="/encode"}`, 0, 20}, {`{endpoint="/summarize"}`, 2, 10}, {`{endpoint="/v1/score"}`, 0, 3}},
	"Share of the limit A":                     {{`{instance="a",runner_name="Summarization"}`, 2. / 40, 30. / 40}},
	"Since the last request A":                 {{`{}`, 0, 4}},
	"Left before the answer A":                 {{`{}`, 1.5, 2.5}},
	"Left before the answer B":                 {{`{}`, 1, 5}},
	"Quantiles A":                              {{`{}`, 0.001, 0.1}},
	"Quantiles B":                              {{`{}`, 0.25, 0.75}},
	"Quantiles C":                              {{`{}`, 1, 2.5}},
	"p99 by endpoint A":                        {{`{endpoint="/encode"}`, 0.01, 0.25}, {`{endpoint="/summarize"}`, 1, 2.5}, {`{endpoint="/v1/score"}`, 0, 0.25}},
	"Durations A":                              {{`{le="+Inf"}`, 770, 1150}, {`{le="0.25"}`, 570, 920}, {`{le="0.5"}`, 730, 1110}, {`*`, 0, 1150}},
	"Requests in a batch A":                    {{`{method_name="encode"}`, 1, 4}, {`{method_name="score"}`, 1, 1.5}},
	"Items in a batch A":                       {{`{method_name="encode"}`, 2, 8}, {`{method_name="score"}`, 1, 1.5}},
	"Time in queue and in the function, p90 A": {{`{method_name="encode"}`, 0, 0.1}, {`{method_name="score"}`, 0, 0.1}},
	"Time in queue and in the function, p90 B": {{`{method_name="encode"}`, 0.01, 0.1}, {`{method_name="score"}`, 0, 0.1}},
	"Why batches go A":                         {{`{reason="idle"}`, 8, 25}, {`*`, 0, 0}},
	"Refused A":                                {{`{reason="queue_full"}`, 5, 19}, {`*`, 0, 0}},
	"Waiting A":                                {{`{method_name="encode"}`, 0, 8}, {`{method_name="score"}`, 0, 8}},
	"Pushed A":                                 {{`{signal="metrics"}`, 50, 1000}, {`{signal="traces"}`, 20, 200}},
	"Pushes that failed A":                     {{`{reason="unreachable",signal="metrics"}`, 1.5, 2.5}, {`*`, 0, 0}},
	"Since the last push A":                    {{`{signal="metrics"}`, 0, 4}, {`{signal="traces"}`, 0, 12}},
	"Memory A":                                 {{`*`, 1e5, 1e9}},
	"Goroutines A":                             {{`{instance="a"}`, 10, 1000}, {`{instance="b"}`, 5, 100}},
	"Allocations A":                            {{`{instance="a"}`, 1e4, 1e9}, {`{instance="b"}`, 1e2, 1e8}},
	"Errors of the page and the configuration A": {{`{instance="a"}`, 0, 0}, {`{instance="b"}`, 0, 0}},
	"Errors of the page and the configuration B": {{`{instance="a"}`, 0, 0}, {`{instance="b"}`, 1, 1}},
}

// onBento are those of a real BentoML, which has 15 requests a second of it. What
// it has not stays empty.
var onBento = map[string][]band{
	"Requests A":               {{`{endpoint="/encode"}`, 8, 12}, {`{endpoint="/summarize"}`, 2.4, 3.6}, {`{endpoint="/v1/score"}`, 1.6, 2.4}},
	"Answers A":                {{`{http_response_code="200"}`, 10, 16}, {`{http_response_code="500"}`, 1.6, 2.4}, {`*`, 0, 0.5}},
	"Failing share A":          {{`{endpoint="/encode"}`, 0, 0}, {`{endpoint="/summarize"}`, 0.55, 0.78}, {`{endpoint="/v1/score"}`, 0, 0}},
	"In progress A":            {{`{endpoint="/encode"}`, 0, 10}, {`{endpoint="/summarize"}`, 0, 5}, {`{endpoint="/v1/score"}`, 0, 5}},
	"Since the last request A": {{`{}`, 0, 4}},
	"Quantiles A":              {{`{}`, 0.001, 0.5}},
	"Quantiles B":              {{`{}`, 0.25, 1}},
	"Quantiles C":              {{`{}`, 0.25, 2.5}},
	"p99 by endpoint A":        {{`{endpoint="/encode"}`, 0.01, 1}, {`{endpoint="/summarize"}`, 0.25, 2.5}, {`{endpoint="/v1/score"}`, 0, 1}},
	"Durations A":              {{`{le="+Inf"}`, 240, 360}, {`*`, 0, 360}},
	"Requests in a batch A":    {{`{method_name="encode"}`, 1, 3}, {`{method_name="score"}`, 1, 2}},
}

// TestDashboard has every query of the dashboard evaluated as it is written, with
// what the dashboard's variables find, on known traffic.
func TestDashboard(t *testing.T) {
	s, stop := observed(t)
	defer stop()
	d := readDashboard(t)
	for name, test := range map[string]struct {
		chosen values
		want   map[string][]band
	}{
		"nothing chosen":  {nil, onTraffic}, // of several jobs the first
		"plain":           {values{"job": {"plain"}}, onTraffic},
		"operator":        {values{"job": {"operator"}}, onTraffic},
		"all of plain":    {values{"job": {"plain"}, "service": {chosenAll}, "version": {chosenAll}, "endpoint": {chosenAll}}, onTraffic},
		"all of operator": {values{"job": {"operator"}, "service": {chosenAll}, "version": {chosenAll}, "endpoint": {chosenAll}}, onTraffic},
		"bentoml":         {values{"job": {"bentoml"}}, onBento},
	} {
		t.Run(name, func(t *testing.T) {
			settles(t, func() []string { return d.wrong(t, s, test.chosen, test.want) })
		})
	}
	t.Run("variables", func(t *testing.T) { settles(t, func() []string { return variablesOnTraffic(t, d, s) }) })
	t.Run("exemplars", func(t *testing.T) { settles(t, func() []string { return d.withoutExemplars(t, s) }) })
	t.Run("rules", func(t *testing.T) { settles(t, func() []string { return rulesOnTraffic(t, s) }) })
}

// wrong says what is wrong with the answers to the dashboard's queries. Without
// bands a query's answer must be empty.
func (d dashboard) wrong(t *testing.T, s server, chosen values, want map[string][]band) (wrong []string) {
	t.Helper()
	all := d.resolve(t, s, chosen)
	seen := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			name := panel.Title + " " + target.RefID
			if len(want[name]) > 0 {
				seen++
			}
			query := all.into(target.Expr)
			for _, problem := range outside(vector(s.ask(t, query)), want[name]) {
				wrong = append(wrong, fmt.Sprintf("%s %s: %s", name, problem, query))
			}
		}
	}
	if seen != len(want) {
		wrong = append(wrong, fmt.Sprintf("%d of %d queries are in the dashboard", seen, len(want)))
	}
	return wrong
}

// outside are the series that no band holds, and the bands that hold none.
func outside(answer map[string]float64, bands []band) (wrong []string) {
	for _, b := range bands {
		if _, there := answer[b.series]; !there && b.series != "*" || len(answer) == 0 {
			wrong = append(wrong, "has no "+b.series)
		}
	}
	for series, value := range answer {
		i := slices.IndexFunc(bands, func(b band) bool { return b.series == series })
		if i < 0 {
			i = slices.IndexFunc(bands, func(b band) bool { return b.series == "*" })
		}
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Sprintf("has %s, which is %v", series, value))
		case math.IsNaN(value) || value < bands[i].low || value > bands[i].high:
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v to %v", series, value, bands[i].low, bands[i].high))
		}
	}
	return wrong
}

// variablesOnTraffic says what is wrong with the variables' values, and with what
// the queries answer when others are chosen.
func variablesOnTraffic(t *testing.T, d dashboard, s server) (wrong []string) {
	t.Helper()
	for _, job := range []string{"plain", "operator"} {
		found := d.resolve(t, s, values{"job": {job}})
		for name, want := range map[string]string{"service": "[Summarization]", "endpoint": "[/encode /summarize /v1/score]", "version": "[not available]"} {
			if got := fmt.Sprint(found[name]); got != want {
				wrong = append(wrong, fmt.Sprintf("$%s of %s is %s, want %s", name, job, got, want))
			}
		}
		onlyEncode := map[string][]band{}
		for name, bands := range onTraffic {
			for _, b := range bands {
				if b.series == `{endpoint="/encode"}` {
					onlyEncode[name] = append(onlyEncode[name], b)
				}
			}
		}
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				name := panel.Title + " " + target.RefID
				ask := func(chosen values, want []band) {
					if chosen["job"] == nil {
						chosen["job"] = []string{job}
					}
					for _, problem := range outside(vector(s.ask(t, d.resolve(t, s, chosen).into(target.Expr))), want) {
						wrong = append(wrong, fmt.Sprintf("%s with %v %s", name, chosen, problem))
					}
				}
				ask(values{"job": {"nothing"}}, nil)
				if strings.Contains(target.Expr, "$service") {
					ask(values{"service": {"Nothing"}}, nil)
					ask(values{"version": {"0"}}, nil)
				}
				if strings.Contains(target.Expr, "$endpoint") {
					ask(values{"endpoint": {"/nothing"}}, nil)
				}
				if len(onlyEncode[name]) > 0 {
					ask(values{"endpoint": {"/encode"}}, onlyEncode[name])
				}
			}
		}
		shown := d.resolve(t, s, values{"job": {job}, "probes": {"-"}})
		if !slices.Contains(shown["endpoint"], "/livez") || !slices.Contains(shown["endpoint"], "/docs.json") {
			wrong = append(wrong, fmt.Sprintf("probes are not shown: %v", shown["endpoint"]))
		}
	}
	return wrong
}

// withoutExemplars are the queries for which Grafana asks for exemplars, and gets
// none with a trace.
func (d dashboard) withoutExemplars(t *testing.T, s server) (wrong []string) {
	t.Helper()
	asked := 0
	for _, job := range []string{"plain", "operator"} {
		all := d.resolve(t, s, values{"job": {job}})
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				if !target.Exemplar {
					continue
				}
				asked++
				var answer struct {
					Data []struct {
						Exemplars []struct {
							Labels map[string]string `json:"labels"`
						} `json:"exemplars"`
					} `json:"data"`
				}
				query := all.into(target.Expr)
				s.get(t, fmt.Sprintf("/api/v1/query_exemplars?query=%s&start=%d&end=%d", url.QueryEscape(query), time.Now().Add(-time.Hour).Unix(), time.Now().Unix()+1), &answer)
				if len(answer.Data) == 0 || len(answer.Data[0].Exemplars) == 0 || len(answer.Data[0].Exemplars[0].Labels["trace_id"]) != 32 {
					wrong = append(wrong, fmt.Sprintf("%s %s has no exemplars: %s", panel.Title, target.RefID, query))
				}
			}
		}
	}
	if asked < 8 {
		wrong = append(wrong, fmt.Sprintf("exemplars are on for %d queries", asked/2))
	}
	return wrong
}
