package real

import (
	"fmt"
	"maps"
	"os"
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

// documentedQueries are the queries that the documentation gives its readers, and
// where. Those of compatibility.md are told with what stands for a selector, and
// have a test of their own; those of decisions are history.
func documentedQueries(t *testing.T) map[string]string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/runbooks/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	queries := map[string]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(page) == "compatibility.md" {
			continue
		}
		for _, match := range inlineCode.FindAllStringSubmatch(string(text), -1) {
			if ourFamily.MatchString(match[1]) && strings.ContainsAny(match[1], "({=>") && !strings.HasPrefix(match[1], "<") {
				queries[match[1]] = filepath.Base(page)
			}
		}
	}
	return queries
}

// numbersOfDocuments are what some of them say of the services whose queues are
// never empty: of 20 clients of encode each waits for 9 batches of 10 ms, of 8 for
// 3, both as often; score has none, and does not pull the mean down.
var numbersOfDocuments = map[string]band{
	"sum(rate(ekiben_batch_queue_duration_seconds_sum[5m])) / sum(rate(ekiben_batch_queue_duration_seconds_count[5m]))": {`{}`, 0.05, 0.075},
	"histogram_quantile(0.99, sum by (le) (rate(bentoml_service_request_duration_seconds_bucket[5m])))":                 {`{}`, 0.25, 0.5},
	"sum by (reason) (rate(ekiben_batch_batches_total[5m]))":                                                            {`{reason="full"}`, 100, 205},
	"histogram_quantile(0.5, sum by (le) (rate(ekiben_batch_compute_duration_seconds_bucket[5m])))":                     {`{}`, 0.01, 0.025},
}

// documentsOnTraffic says which of the documented queries answer nothing, and
// which of those with a number another.
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
				wrong = append(wrong, fmt.Sprintf("%s: %s answers nothing", queries[query], value))
			}
		}
	}
	for query, want := range numbersOfDocuments {
		if queries[query] == "" {
			wrong = append(wrong, "no page has "+query)
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
