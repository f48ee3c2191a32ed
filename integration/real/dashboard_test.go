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

// scenario is a choice of the dashboard's variables, with the bands of each query.
// A query without bands must return nothing. With part, it is not evaluated.
type scenario struct {
	chosen values
	want   map[string][]band
	part   bool
}

func scenarios() map[string]scenario {
	all := map[string]scenario{
		"nothing chosen": {nil, onTraffic, false}, // the first one of several jobs
		"bentoml":        {values{"job": {"bentoml"}}, onBento, false},
		"queued":         {values{"job": {"queued"}}, onQueues, false},
		"quiet":          {values{"job": {"quiet"}}, onQuiet, true},
	}
	everything := []string{chosenAll}
	all["streams"] = scenario{values{"job": {"streams"}, "service": everything, "version": everything, "runner": everything}, onStreams, true}
	all["a version of streams"] = scenario{values{"job": {"streams"}, "service": everything, "version": {"2"}, "runner": everything}, onSlowStreams, true}
	all["a service of streams"] = scenario{values{"job": {"streams"}, "service": {"chat"}, "version": everything, "runner": everything}, onSlowStreams, true}
	all["tasks"] = scenario{values{"job": {"tasks"}, "service": everything, "version": everything, "runner": everything}, onTasks, true}
	all["a version of tasks"] = scenario{values{"job": {"tasks"}, "service": everything, "version": {"1"}, "runner": everything}, onFewTasks, true}
	all["a service of tasks"] = scenario{values{"job": {"tasks"}, "service": {"few"}, "version": everything, "runner": everything}, onFewTasks, true}
	all["few tasks"] = scenario{values{"job": {"few tasks"}, "service": everything, "version": everything, "runner": everything}, onFewTasks, true}
	for _, job := range []string{"plain", "operator"} {
		all[job] = scenario{values{"job": {job}}, onTraffic, false}
		all["all of "+job] = scenario{values{"job": {job}, "service": everything, "version": everything, "endpoint": everything, "runner": everything}, onTraffic, false}
		all["an endpoint of "+job] = scenario{values{"job": {job}, "endpoint": {"/encode"}}, onlyEncode(), true}
	}
	for _, job := range []string{"queued", "queued operator"} {
		all["a version of "+job] = scenario{values{"job": {job}, "service": everything, "version": {"2"}, "runner": everything}, onVersion, true}
		all["a service of "+job] = scenario{values{"job": {job}, "service": {"text_pipeline"}, "version": everything, "runner": everything}, onService, true}
		all["a runner of "+job] = scenario{values{"job": {job}, "service": {"text_pipeline"}, "version": everything, "runner": {"text_front"}, "endpoint": everything}, onRunner(), false}
		all["another endpoint of "+job] = scenario{values{"job": {job}, "service": {"Summarization"}, "version": everything, "endpoint": {"/summarize"}, "runner": everything}, onSummarize, true}
		all["an endpoint of "+job] = scenario{values{"job": {job}, "service": {"Summarization"}, "version": everything, "endpoint": {"/encode"}, "runner": everything}, onEndpoint, true}
	}
	return all
}

// onlyEncode returns the bands of onTraffic for one endpoint.
func onlyEncode() map[string][]band {
	only := map[string][]band{}
	for name, bands := range onTraffic {
		for _, b := range bands {
			if b.series == `{endpoint="/encode"}` {
				only[name] = append(only[name], b)
			}
		}
	}
	return only
}

// TestDashboard evaluates every query of the dashboard, with the values that the
// dashboard's variables find, on known traffic.
func TestDashboard(t *testing.T) {
	s, stop := observed(t)
	defer stop()
	d := readDashboard(t)
	time.Sleep(45 * time.Second) // twice the window of into
	ask := map[string]settled{}
	for name, sc := range scenarios() {
		t.Run(name, func(t *testing.T) {
			settles(t, func() (wrong []string) {
				ask[name], wrong = d.evaluate(t, s, sc)
				return wrong
			})
		})
	}
	if !t.Failed() {
		t.Run("changes", func(t *testing.T) { changesOfTheDashboard(t, d, s, ask) })
	}
	t.Run("variables", func(t *testing.T) { settles(t, func() []string { return variablesOnTraffic(t, d, s) }) })
	t.Run("exemplars", func(t *testing.T) { settles(t, func() []string { return d.withoutExemplars(t, s) }) })
	t.Run("documents", func(t *testing.T) { settles(t, func() []string { return documentsOnTraffic(t, s) }) })
	t.Run("rules", func(t *testing.T) { settles(t, func() []string { return rulesOnTraffic(t, s) }) })
}

// settled is a scenario whose queries returned the right values: with these values
// of the variables, at this time.
type settled struct {
	scenario
	resolved values
	at       time.Time
}

// evaluate evaluates the dashboard's queries and returns what differs from the bands.
func (d dashboard) evaluate(t *testing.T, s server, sc scenario) (as settled, wrong []string) {
	t.Helper()
	as = settled{sc, d.resolve(t, s, sc.chosen), time.Now()}
	seen := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			name := panel.Title + " " + target.RefID
			if len(sc.want[name]) > 0 {
				seen++
			}
			for _, problem := range as.wrong(t, s, name, target.Expr) {
				wrong = append(wrong, fmt.Sprintf("%s %s: %s", name, problem, as.resolved.into(target.Expr)))
			}
		}
	}
	if seen != len(sc.want) {
		wrong = append(wrong, fmt.Sprintf("%d of %d queries are in the dashboard", seen, len(sc.want)))
	}
	return as, wrong
}

// wrong evaluates one query and returns what differs from its bands.
func (as settled) wrong(t *testing.T, s server, name, expr string) []string {
	t.Helper()
	if as.part && len(as.want[name]) == 0 {
		return nil
	}
	return outside(vector(s.askAt(t, as.resolved.into(expr), as.at)), as.want[name])
}

// outside returns the series that are in no band, and the bands without a series.
func outside(got map[string]float64, bands []band) (wrong []string) {
	for _, b := range bands {
		if _, there := got[b.series]; !there && b.series != "*" || len(got) == 0 {
			wrong = append(wrong, "has no "+b.series)
		}
	}
	for series, value := range got {
		i := slices.IndexFunc(bands, func(b band) bool { return b.series == series })
		if i < 0 {
			i = slices.IndexFunc(bands, func(b band) bool { return b.series == "*" })
		}
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Sprintf("has %s, which is %v", series, value))
		case math.IsNaN(value) != math.IsNaN(bands[i].low) || value < bands[i].low || value > bands[i].high:
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v to %v", series, value, bands[i].low, bands[i].high))
		}
	}
	return wrong
}

// variablesOnTraffic checks the values of the variables, and that the queries
// return nothing when a value is chosen that no series has.
func variablesOnTraffic(t *testing.T, d dashboard, s server) (wrong []string) {
	t.Helper()
	for _, job := range []string{"plain", "operator"} {
		found := d.resolve(t, s, values{"job": {job}})
		for name, want := range map[string]string{"service": "[Summarization]", "runner": "[Summarization]", "endpoint": "[/encode /summarize /v1/score]", "version": "[not available]"} {
			if got := fmt.Sprint(found[name]); got != want {
				wrong = append(wrong, fmt.Sprintf("$%s of %s is %s, want %s", name, job, got, want))
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
					ask(values{"runner": {"Nothing"}}, nil)
				}
				if strings.Contains(target.Expr, "$endpoint") {
					ask(values{"endpoint": {"/nothing"}}, nil)
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

// withoutExemplars returns the queries for which Grafana asks for exemplars and
// gets none with a trace.
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
