package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// Targets of Prometheus are found by the data source of the target or its panel, and
// only variables are taken for variables.
func TestWhatADashboardAsks(t *testing.T) {
	queries, err := migrate.Read("d", []byte(`{"panels": [
		{"title": "amazon", "targets": [{"expr": "a", "datasource": {"type": "grafana-amazonprometheus-datasource"}}]},
		{"title": "own", "datasource": {"type": "loki"}, "targets": [{"expr": "c", "datasource": {"type": "prometheus"}}]},
		{"title": "class", "targets": [{"expr": "d{x=~\"[[:alpha:]]+\"}"}]},
		{"title": "variable", "targets": [{"expr": "e{x=~\"[[x]]\"}"}]},
		{"title": "comment", "targets": [{"expr": "f # it's\n{x=\"$x\"}"}]}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range queries {
		got = append(got, q.Text)
	}
	if len(got) != 5 || got[0] != "a" || got[1] != "c" || got[2] != `d{x=~"[[:alpha:]]+"}` || got[3] != `e{x=~"[[x]]"}` {
		t.Errorf("got %q", got)
	}
}

// A query of another data source is listed and does not count. A library panel that
// the file does not have is unchecked.
func TestWhatADashboardSkips(t *testing.T) {
	const logs = `"targets": [{"expr": "{app=\"x\"} |= \"b\""}]`
	queries, err := migrate.Read("d", []byte(`{
		"__inputs": [{"name": "DS_LOGS", "type": "datasource", "pluginId": "loki"}],
		"__elements": {"here": {"model": {"targets": [{"expr": "b"}]}}},
		"templating": {"list": [{"name": "ds", "type": "datasource", "query": "loki"}, {"name": "v", "type": "query", "datasource": "$ds", "query": "label_values(x)"}]},
		"annotations": {"list": [{"name": "built in", "datasource": {"type": "grafana", "uid": "-- Grafana --"}}]},
		"panels": [
			{"title": "type", "datasource": {"type": "loki"}, `+logs+`},
			{"title": "input", "datasource": "${DS_LOGS}", `+logs+`},
			{"title": "uid", "datasource": {"uid": "${ds}"}, `+logs+`},
			{"title": "sql", "targets": [{"rawSql": "select 1", "datasource": {"type": "mysql"}}]},
			{"title": "mixed", "datasource": {"type": "datasource", "uid": "-- Mixed --"}, "targets": [
				{"refId": "A", "expr": "{}", "datasource": {"type": "loki"}}, {"refId": "B", "expr": "a", "datasource": {"type": "prometheus"}},
				{"refId": "C", "expression": "$B * 2", "datasource": {"type": "__expr__"}}]},
			{"title": "row", "type": "row", "panels": [{"title": "library", "libraryPanel": {"uid": "here"}}, {"title": "gone", "libraryPanel": {"uid": "there"}}]}
		]}`))
	if err != nil {
		t.Fatal(err)
	}
	page := parse(t, "page", "a 1\nb 1\n")
	report := migrate.NewReport(page, page, queries, migrate.Options{})
	var got []string
	for _, f := range report.Findings {
		got = append(got, f.Where+": "+f.Because)
	}
	want := []string{
		"d › type: its data source is loki", "d › input: its data source is loki", "d › uid: its data source is loki", "d › sql: its data source is mysql",
		"d › mixed (A): its data source is loki", "d › row › gone: ", "d › variable v: its data source is loki",
	}
	if !slices.Equal(got, want) || report.Queries != 3 || report.Counted != 0 || report.Unchecked != 1 {
		t.Errorf("got %q of %+v", got, report)
	}
	if _, err := migrate.Read("d", []byte(`{"panels": [{"datasource": {"type": "loki"}, `+logs+`}]}`)); err != nil {
		t.Error(err)
	}
}

// Each query that is not checked is listed: one that selects no series is fine, one
// whose variables have no value is unchecked.
func TestWhatIsNotLookedAt(t *testing.T) {
	queries, err := migrate.Read("d", []byte(`{
		"templating": {"list": [
			{"name": "all", "type": "query", "query": "label_values(endpoint)"},
			{"name": "metrics", "type": "query", "query": {"query": "metrics(ns_.*)"}},
			{"name": "names", "type": "query", "query": "label_names()"},
			{"name": "series", "type": "query", "query": "a{x=\"1\"}"},
			{"name": "sql", "type": "query", "query": "select 1"},
			{"name": "any", "type": "query", "query": "label_values($metric, endpoint)"},
			{"name": "some", "type": "query", "query": "label_values(a{x=\"$x\", y=\"1\"}, endpoint)"},
			{"name": "none", "type": "query", "query": ""}]},
		"panels": [{"title": "p", "targets": [
			{"refId": "A", "expr": "$metric{a=\"b\"}"}, {"refId": "B", "expr": "$metric"}, {"refId": "C", "expr": "sum(rate($metric[5m]))"},
			{"refId": "D", "expr": "${metric} * 2"}, {"refId": "E", "expr": "a * $x"}, {"refId": "F", "expr": "vector(1)"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	page := parse(t, "page", "a{x=\"1\",y=\"1\"} 1\n")
	report := migrate.NewReport(page, page, queries, migrate.Options{})
	var got []string
	for _, f := range report.Findings {
		got = append(got, f.Where+": "+f.Text+": "+f.Because)
	}
	const not, unknown = ": is not checked: ", ": the file has no value for $metric: "
	want := []string{
		"d › p (A)" + unknown, "d › p (B)" + unknown, "d › p (C)" + unknown, "d › p (D)" + unknown, "d › p (E): the file has no value for $x: ",
		"d › variable all" + not + "it asks for a label of all metrics", "d › variable metrics" + not + "it asks for names, not for series",
		"d › variable names" + not + "it asks for names, not for series", "d › variable sql" + not + "it is neither label_values nor query_result, nor a selector",
		"d › variable any" + unknown,
	}
	if !slices.Equal(got, want) || report.Counted != 0 || report.Unchecked != 6 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The name of a data source without a type gives its kind. A target without a data
// source in a mixed panel has Grafana's default.
func TestDataSourcesByName(t *testing.T) {
	const logs = "sum(rate({app=\"x\"} |= \"b\" [5m]))"
	for source, want := range map[string]string{
		`"Loki"`: "loki", `"grafana-elasticsearch (EU)"`: "elasticsearch", `{"uid": "tempo-prod"}`: "tempo", `"InfluxDB"`: "influx", `"$DS_LOKI"`: "loki",
		`"CloudWatch"`: "cloudwatch", `"Jaeger"`: "jaeger", `"PostgreSQL"`: "postgres", `"MySQL"`: "mysql", `"Graphite"`: "graphite", `"TestData DB"`: "testdata",
		`"Prometheus"`: "", `"Prometheus of Loki"`: "", `"Mimir"`: "", `null`: "", `"-- Mixed --"`: "", `{"type": "datasource", "uid": "-- Mixed --"}`: "",
	} {
		content := fmt.Sprintf(`{"panels": [{"title": "p", "datasource": %s, "targets": [{"refId": "A", "expr": %q}]}]}`, source, logs)
		queries, err := migrate.Read("d", []byte(content))
		if want != "" {
			want = "its data source is " + want
		}
		if err != nil || len(queries) != 1 || queries[0].Skip != want {
			t.Errorf("%s: got %+v, %v, want %q", source, queries, err, want)
		}
	}
}

// Rules of several namespaces in one file have the namespace in their place.
func TestRulesOfNamespaces(t *testing.T) {
	const groups = `groups: [{name: g, rules: [{record: "a:b", expr: "a"}]}]`
	for form, content := range map[string]string{
		"operator": "metadata: {namespace: one}\nspec: {" + groups + "}\n---\nmetadata: {namespace: two}\nspec: {" + groups + "}\n",
		"mimir":    "namespace: one\n" + groups + "\n---\nnamespace: two\n" + groups + "\n",
		"kubectl":  "kind: List\nitems:\n- metadata: {namespace: one}\n  spec: {" + groups + "}\n- metadata: {namespace: two}\n  spec: {" + groups + "}\n",
	} {
		queries, err := migrate.Read("r.yml", []byte(content))
		if err != nil || len(queries) != 2 || queries[0].Record+queries[1].Record != "a:ba:b" ||
			!strings.HasSuffix(queries[0].Where, " › one › g › a:b") || !strings.HasSuffix(queries[1].Where, " › two › g › a:b") {
			t.Errorf("%s: %+v, %v", form, queries, err)
		}
	}
}
