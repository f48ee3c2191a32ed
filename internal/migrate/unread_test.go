package migrate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// A text that names a metric of the old server, in a place that is not read, is
// unchecked. A text about other metrics is not.
func TestWhatCannotBeRead(t *testing.T) {
	page := parse(t, "page", "# TYPE ns_x_total counter\nns_x_total 1\n")
	const names = "names ns_x_total in a field that is not read"
	const panel = `{"panels": [{"title": "p", "targets": [{"expr": "up"}], %s}]}`
	for _, test := range []struct{ form, want string }{
		{`{"panels": [{"title": "p", "targets": [{"expr": "up"}, {"refId": "B", "query": "%s"}]}]}`, names},
		{fmt.Sprintf(panel, `"alert": {"conditions": [{"query": {"model": {"expr": "%s"}}}]}`), names},
		{fmt.Sprintf(panel, `"description": "shows %s"`), ""},
		{`{"panels": [{"datasource": {"type": "loki"}, "targets": [{"expr": "%s"}]}]}`, ""},
		{`{"panels": [{"datasource": {"type": "new-datasource"}, "targets": [{"expr": "%s"}]}]}`, "names ns_x_total and is not read: its data source is new-datasource"},
		{`{"templating": {"list": [{"name": "v", "type": "query", "query": "series of %s"}]}}`, "names ns_x_total and is not read: it is neither label_values nor query_result, nor a selector"},
		{`{"templating": {"list": [{"name": "v", "type": "query", "query": {"qryType": 9, "newQuery": "%s"}}]}, "panels": [{"targets": [{"expr": "up"}]}]}`, names},
		{`{"templating": {"list": [{"name": "v", "type": "custom", "query": "%s"}]}, "panels": [{"targets": [{"expr": "$v"}]}]}`, ""},
		{"groups: [{name: g, rules: [{alert: A, expr: up, annotations: {d: '{{ with query \"%s\" }}{{ end }}'}}]}]", names},
		{"groups: [{name: g, rules: [{alert: A, expr: up, annotations: {d: '%s is {{ $value }}'}}]}]", ""},
		{"groups: [{name: g, rules: [{alert: A, expr: up}]}]\n---\nkind: MetricTemplate\nspec: {query: 'sum(%s)'}", names},
		{"kind: AnalysisTemplate\nspec: {metrics: [{name: m, provider: {prometheus: {query: 'up'}}}, {name: n, provider: {datadog: {query: '%s'}}}]}", names},
		{"kind: AnalysisTemplate\nspec: {metrics: [{name: m, provider: {prometheus: {query: '%s{e=\"{{args.e}}\"}'}}}]}", "has a template in {{ }}, whose value is not known"},
		{"spec: {triggers: [{type: kedify-otel, metadata: {metricQuery: 'sum(%s)'}}]}", names},
		{"spec: {triggers: [{type: prometheus, metadata: {metricName: '%s', query: up}}]}", ""},
	} {
		unchecked := func(metric string) string {
			queries, err := migrate.Read("f", []byte(strings.ReplaceAll(test.form, "%s", metric)))
			if err != nil {
				t.Fatal(test.form, err)
			}
			var texts []string
			for _, f := range migrate.NewReport(page, page, queries, migrate.Options{}).Findings {
				if f.Unchecked {
					texts = append(texts, f.Text)
				}
			}
			return strings.Join(texts, "; ")
		}
		if got := unchecked("ns_x_total"); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.form, got, test.want)
		}
		if got := unchecked("other_total"); strings.HasPrefix(got, "names") {
			t.Errorf("%s: another metric: got %q", test.form, got)
		}
	}
}
