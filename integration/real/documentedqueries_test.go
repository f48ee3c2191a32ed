package real

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

var (
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	ourFamily  = regexp.MustCompile(`\b(ekiben|bentoml_service)_\w+`)
)

// documentedQueries returns the queries of the documentation, each with its file.
// compatibility.md is left out: its queries have placeholders, and TestMixedFleet
// evaluates them. Decision records are left out because they are history.
func documentedQueries(t *testing.T) map[string]string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/runbooks/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	queries := map[string]string{}
	for _, page := range pages {
		if filepath.Base(page) == "compatibility.md" {
			continue
		}
		for _, match := range inlineCode.FindAllStringSubmatch(read(t, page), -1) {
			if ourFamily.MatchString(match[1]) && strings.ContainsAny(match[1], "({=>") && !strings.HasPrefix(match[1], "<") {
				queries[match[1]] = filepath.Base(page)
			}
		}
	}
	return queries
}

// numbersOfDocuments has the bands of some of these queries, on the services whose
// queues are never empty. Each of 20 clients of encode waits for 9 batches of
// 10 ms, each of 8 for 3. score has no requests and must not lower the mean.
var numbersOfDocuments = map[string]band{
	"sum(rate(ekiben_batch_queue_duration_seconds_sum[5m])) / sum(rate(ekiben_batch_queue_duration_seconds_count[5m]))": {`{}`, 0.05, 0.075},
	"histogram_quantile(0.99, sum by (le) (rate(bentoml_service_request_duration_seconds_bucket[5m])))":                 {`{}`, 0.25, 0.5},
	"sum by (reason) (rate(ekiben_batch_batches_total[5m]))":                                                            {`{reason="full"}`, 100, 205},
	"histogram_quantile(0.5, sum by (le) (rate(ekiben_batch_compute_duration_seconds_bucket[5m])))":                     {`{}`, 0.01, 0.025},
}

// documentsOnTraffic returns the documented queries that return nothing or a wrong
// value.
func documentsOnTraffic(t *testing.T, s server) (wrong []string) {
	t.Helper()
	queries := documentedQueries(t)
	for _, query := range slices.Sorted(maps.Keys(queries)) {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(query); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %v", queries[query], query, err))
			continue
		}
		for _, value := range valuesOf(t, query) {
			if len(s.ask(t, value)) == 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %s returns nothing", queries[query], value))
			}
		}
	}
	for query, want := range numbersOfDocuments {
		if queries[query] == "" {
			wrong = append(wrong, "no document has "+query)
		}
		ofQueued := strings.ReplaceAll(query, "[5m]", `{job="queued"}[20s]`)
		for _, problem := range outside(vector(s.ask(t, ofQueued)), []band{want, {"*", 0, 1000}}) {
			wrong = append(wrong, ofQueued+" "+problem)
		}
	}
	if len(queries) < 15 {
		wrong = append(wrong, fmt.Sprintf("only %d queries were found", len(queries)))
	}
	return wrong
}
