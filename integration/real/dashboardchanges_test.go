package real

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// changesOfTheDashboard makes each likely mistake in each query. In at least one
// scenario the changed query must return a value outside of the bands, at the time
// when the unchanged query returned the right values.
func changesOfTheDashboard(t *testing.T, d dashboard, s server, ask map[string]settled) {
	t.Helper()
	tried, unnoticed := 0, map[string]bool{}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			name := panel.Title + " " + target.RefID
			for change, expr := range changesOf(target.Expr) {
				if slices.ContainsFunc(harmless, func(h invisible) bool { return h.panels.MatchString(name) && h.changes.MatchString(change) }) {
					continue
				}
				tried++
				if !slices.ContainsFunc(slices.Collect(maps.Values(ask)), func(as settled) bool { return len(as.wrong(t, s, name, expr)) > 0 }) {
					unnoticed[name+": "+change] = true
				}
			}
		}
	}
	for change := range unnoticed {
		t.Errorf("no scenario fails with the change %s", change)
	}
	t.Logf("%d changes", tried)
}

// slips are patterns and their replacements. Only one place is changed at a time.
var slips = []struct{ from, to string }{
	{`\brate\(`, `increase(`}, {`\bincrease\(`, `rate(`}, {`\$__rate_interval`, `5m`},
	{`\bsum\b`, `max`}, {`\bsum\b`, `min`}, {`\bsum\b`, `avg`}, {`\bsum\b`, `count`}, {`\bmax\b`, `min`}, {`\bmin\b`, `max`},
	{`histogram_quantile\(0\.5`, `histogram_quantile(0.9`}, {`histogram_quantile\(0\.9,`, `histogram_quantile(0.5,`}, {`histogram_quantile\(0\.99`, `histogram_quantile(0.9`},
	{`_sum\{`, `_count{`}, {`_count\{`, `_sum{`}, {`\) / `, `) * `}, {`\btime\(\) - `, ``}, {`\b1 - `, ``},
	{` > 0\)`, `)`}, {`"5\.\."`, `"[45].."`}, {`"5\.\."`, `"500"`}, {`"5\.\."`, `"503"`},
	{`"exported_endpoint", "\(\.\+\)"`, `"endpoint", "(.+)"`},
	{`queue_duration`, `compute_duration`}, {`compute_duration`, `queue_duration`},
}

// invisible selects changes that no scenario can detect.
type invisible struct {
	panels, changes *regexp.Regexp
}

var harmless = []invisible{
	// A quantile depends on ratios, which neither the window nor a common factor changes while the traffic is steady.
	{regexp.MustCompile(`Quantiles|p99|p90`), regexp.MustCompile(`^\\brate|5m|to avg`)},
	// One process has one series of these.
	{regexp.MustCompile(`Memory|Goroutines|Allocations|Errors|Share of the limit|Since the last push`), regexp.MustCompile(`^\\b(sum|min|max)\\b to (max|min|avg)`)},
	// A division keeps only the series that both sides have.
	{regexp.MustCompile(`Share of the limit`), regexp.MustCompile(`^without (job|service_name|service_version|runner_name)`)},
	{regexp.MustCompile(`Requests in a batch|Items in a batch`), regexp.MustCompile(`^without runner_name`)},
	{regexp.MustCompile(`Failing share`), regexp.MustCompile(`^without (exported_endpoint|endpoint|service_name|runner_name)`)},
	// Only one process of each job has these, so every aggregation returns its value.
	{regexp.MustCompile(`Clients that hung up|Pushes that failed|Refused`), regexp.MustCompile(`^\\bsum\\b to (max|min|avg)`)},
	{regexp.MustCompile(`Refused`), regexp.MustCompile(`^without service_`)},
	// The slowest requests belong to the chosen runner anyway.
	{regexp.MustCompile(`Quantiles C`), regexp.MustCompile(`^without runner_name`)},
	// Only the p90 of a service falls where boundaries are missing.
	{regexp.MustCompile(`Quantiles [AC]`), regexp.MustCompile(`^without le=`)},
	// All services of its job got a request a moment ago.
	{regexp.MustCompile(`Since the last request`), regexp.MustCompile(`^without (service|runner)_`)},
	// The functions of both versions take the same time.
	{regexp.MustCompile(`in the function, p90 B`), regexp.MustCompile(`^\\bsum|^without service_`)},
	// As with other quantiles and processes.
	{regexp.MustCompile(`first chunk|between chunks`), regexp.MustCompile(`^\\brate|5m|to avg`)},
	{regexp.MustCompile(`Open streams|chunk|Streams ended|Tasks|task that|WebSockets`), regexp.MustCompile(`^without runner_name`)},
	// Probes end before a scrape.
	{regexp.MustCompile(`In progress`), regexp.MustCompile(`^without (exported_)?endpoint!~`)},
}

var (
	matcher  = regexp.MustCompile(`(\w+)(=~|!~|=|!=)"[^"]*",?`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
)

// changesOf returns the changed queries of a query, by the change and its place.
func changesOf(expr string) map[string]string {
	changes := map[string]string{}
	put := func(what string, from, to int, by string) {
		changed := expr[:from] + by + expr[to:]
		changed = strings.ReplaceAll(changed, ",}", "}")
		changes[fmt.Sprintf("%s at %d, %s", what, from, expr[max(0, from-30):from])] = changed
	}
	for _, slip := range slips {
		for _, at := range regexp.MustCompile(slip.from).FindAllStringIndex(expr, -1) {
			put(slip.from+" to "+slip.to, at[0], at[1], slip.to)
		}
	}
	for _, at := range matcher.FindAllStringIndex(expr, -1) {
		if strings.HasPrefix(expr[:at[0]], "label_replace") {
			continue
		}
		put("without "+expr[at[0]:at[1]], at[0], at[1], "")
	}
	for _, at := range grouping.FindAllStringSubmatchIndex(expr, -1) {
		labels := strings.Split(expr[at[2]:at[3]], ", ")
		for i := range labels {
			put("without the label "+labels[i], at[2], at[3], strings.Join(slices.Delete(slices.Clone(labels), i, i+1), ", "))
		}
	}
	return changes
}
