package migrate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// A query is checked with each value that the file gives for its variables.
func TestValuesOfVariables(t *testing.T) {
	const kind = "# TYPE ns_x_total counter\n"
	before := parse(t, "old", kind+"ns_x_total{e=\"/a\",l=\"1\"} 1\nns_x_total{e=\"/b.c\",l=\"1\"} 1\n")
	after := parse(t, "new", kind+"ns_x_total{e=\"/a\"} 1\n")
	const lost, label = `goes empty: selects 1 old and 0 new series`, "uses the label l, which only old series have"
	const constant, custom = `{"name": "v", "type": "constant", "query": "%s"}`, `{"name": "v", "type": "custom", "query": "%s"}`
	const all = `{"name": "v", "type": "%s", "query": "%s", "includeAll": true, "allValue": "/b.*", "current": %s}`
	for _, test := range []struct{ variable, query, want string }{
		{fmt.Sprintf(constant, "ns"), `${v}_x_total{e="/b.c"}`, lost},
		{fmt.Sprintf(constant, "ns"), `[[v]]_x_total{e="/b.c"}`, lost},
		{fmt.Sprintf(constant, "other"), `${v}_x_total{e="/b.c"}`, ""},
		{fmt.Sprintf(constant, "ns_x_total"), `sum(rate($v{e="/b.c"}[5m]))`, lost},
		{fmt.Sprintf(constant, "ns_x_total"), `sum($v{e="/b.c"})`, lost},
		{fmt.Sprintf(constant, "/b.c"), `ns_x_total{e="$v"}`, lost},
		{fmt.Sprintf(constant, "/b.*"), `ns_x_total{e=~"$v"}`, lost},
		{fmt.Sprintf(constant, "/a"), `count(ns_x_total{e="$v"})`, "selects 1 old and 1 new series"},
		{fmt.Sprintf(constant, "l"), `sum by ($v) (ns_x_total{e="/a"})`, "selects 1 old and 1 new series; " + label},
		{fmt.Sprintf(constant, "e"), `ns_x_total{$v="/b.c"}`, lost},
		{fmt.Sprintf(constant, `e=\"/b.c\"`), `ns_x_total{$v}`, lost},
		{fmt.Sprintf(constant, "2"), `ns_x_total{e="/c"} * $v`, ""},
		{fmt.Sprintf(constant, "ns"), `${v:glob}_x_total{e="/b.c"}`, lost},
		{fmt.Sprintf(constant, "/b.c"), `ns_x_total{e="${v:queryparam}"}`, "? the format of ${v:queryparam} is not known"},
		{fmt.Sprintf(constant, "ns"), `${v:date:iso}_x_total{e="/b.c"}`, "? the format of ${v:date:iso} is not known"},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "current": {"value": ["ns", "m"]}}`, `${v:lucene}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "adhoc", "filters": [{"key": "e", "operator": "=", "value": "/b.c"}]}`, `sum(ns_x_total) or ns_x_total{e="/a"}`, "selects 2 old and 1 new series; selects 1 old and 1 new series"},
		{fmt.Sprintf(custom, `/z,/b.c`), `ns_x_total{e="$v"}`, lost},
		{fmt.Sprintf(custom, `All : /z, B : /b.c`), `ns_x_total{e="$v"}`, lost},
		{fmt.Sprintf(custom, `/z`), `ns_x_total{e="$v"}`, ""},
		{fmt.Sprintf(custom, `other,ns`), `${v}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "custom", "query": "", "options": [{"value": "$__all"}, {"value": "/b.c"}]}`, `ns_x_total{e="$v"}`, lost},
		{`{"name": "v", "type": "custom", "query": "/b.c,/z", "multi": true, "includeAll": true, "current": {"value": ["$__all"]}}`, `ns_x_total{e=~"$v"}`, lost},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "current": {"value": "ns"}}`, `${v}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "current": {"value": ["other", "ns"]}}`, `${v}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "options": [{"value": "ns"}]}`, `${v}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "current": {"value": "/b.c"}}`, `ns_x_total{e="/a"} or ns_x_total{e="$v"}`, "selects 1 old and 1 new series; selects 2 old and 1 new series"},
		{`{"name": "v", "type": "textbox", "query": "ns"}`, `${v}_x_total{e="/b.c"}`, lost},
		{`{"name": "v", "type": "query", "query": "metrics(x)"}`, `${v}_x_total{e="/b.c"}`, "? the file has no value for $v"},
		{`{"name": "v", "type": "query", "query": "metrics(x)"}`, `max($v)`, "? the file has no value for $v"},
		{`{"name": "v", "type": "query", "query": "metrics(x)"}`, `ns_x_total{e="/b.c"} * $v`, "? the file has no value for $v"},
		{`{"name": "v", "type": "query", "query": "metrics(x)"}`, `sum by ($v) (ns_x_total{e="/b.c"})`, lost},
		{`{"name": "v", "type": "adhoc"}`, `topk($v, ns_x_total{e="/b.c"})`, lost},
		{`{"name": "v", "type": "interval", "query": "1m,5m"}`, `rate(ns_x_total{e="/b.c"}[$v])`, lost},
		{fmt.Sprintf(all, "custom", "/z", `{"value": "$__all"}`), `ns_x_total{e=~"$v"}`, lost},
		{fmt.Sprintf(all, "custom", "/z", `{"value": ["$__all"]}`), `ns_x_total{e=~"$v"}`, lost},
		{fmt.Sprintf(all, "custom", "/z", `{"value": "/z"}`), `ns_x_total{e=~"$v"}`, lost},
		{fmt.Sprintf(all, "custom", "/z", `{"value": "/z"}`), `ns_x_total{e=~"${v:regex}"}`, lost},
		{fmt.Sprintf(all, "custom", "/z", `{"value": "/z"}`), `ns_x_total{e=~"${v:text}"}`, ""},
		{`{"name": "v", "type": "query", "query": "metrics(x)", "includeAll": true, "allValue": "ns", "current": {"value": "$__all"}}`, `${v}_x_total{e="/b.c"}`, lost},
		{fmt.Sprintf(custom, numbered(40)), `ns_x_total{e="$v"}`, ""},
		{fmt.Sprintf(custom, numbered(1001)), `ns_x_total{e="$v"}`, "? its variables have more than 1000 combinations of values"},
	} {
		for schema, query := range inBothSchemas(t, test.variable, test.query) {
			if got := noticed(check(query, before, after)); got != test.want {
				t.Errorf("%s: %s with %s:\n got %s\nwant %s", schema, test.query, test.variable, got, test.want)
			}
		}
	}
}

// Grafana replaces the variables in the values of a custom variable.
func TestVariablesInValues(t *testing.T) {
	const kind = "# TYPE ns_x_total counter\n"
	before := parse(t, "old", kind+"ns_x_total{e=\"/a\"} 1\nns_x_total{e=\"/b\"} 1\n")
	after := parse(t, "new", kind+"ns_x_total{e=\"/a\"} 1\n")
	const lost, b = `goes empty: selects 1 old and 0 new series`, `{"name": "b", "type": "constant", "query": "/b"}`
	for _, test := range []struct{ variables, query, want string }{
		{`{"name": "v", "type": "custom", "query": "/z,$b"}, ` + b, `ns_x_total{e="$v"}`, lost},
		{`{"name": "v", "type": "custom", "query": "${w:raw}"}, {"name": "w", "type": "custom", "query": "/z,[[b]]"}, ` + b, `ns_x_total{e="$v"}`, lost},
		{`{"name": "v", "type": "custom", "query": "$b"}, {"name": "b", "type": "constant", "query": "/z,/b"}`, `ns_x_total{e="$v"}`, lost},
		{`{"name": "v", "type": "custom", "query": "/$l$l"}, {"name": "l", "type": "custom", "query": "b,"}`, `ns_x_total{e="$v"}`, ""},
		{`{"name": "v", "type": "custom", "query": "$w"}`, `${v}_x_total{e="/b"}`, "? the file has no value for $v"},
		{`{"name": "v", "type": "custom", "query": "$v,$w"}, {"name": "w", "type": "custom", "query": "$v"}`, `${v}_x_total{e="/b"}`, "? the file has no value for $v"},
		{`{"name": "v", "type": "custom", "query": "/z,$w"}`, `ns_x_total{e="$v"}`, "selects 2 old and 1 new series"},
		{`{"name": "v", "type": "custom", "query": "/z\\,$1,/b"}`, `ns_x_total{e="$v"}`, lost},
		{`{"name": "v", "type": "custom", "query": "[\"/a,/b\"]"}`, `ns_x_total{e="$v"}`, ""},
		{`{"name": "v", "type": "constant", "query": "$b"}, ` + b, `ns_x_total{e="$v"}`, ""},
	} {
		queries, err := migrate.Read("d", fmt.Appendf(nil, `{"templating": {"list": [%s]}, "panels": [{"targets": [{"expr": %q}]}]}`, test.variables, test.query))
		if err != nil {
			t.Fatal(err)
		}
		if got := noticed(check(queries[0], before, after)); got != test.want {
			t.Errorf("%s with %s:\n got %s\nwant %s", test.query, test.variables, got, test.want)
		}
	}
}

// A variable with the values of a label of all metrics loses them with the label.
func TestLabelOfAllMetrics(t *testing.T) {
	before, after := parse(t, "old", "x{e=\"1\",l=\"1\"} 1\n"), parse(t, "new", "x{e=\"1\"} 1\n")
	for label, want := range map[string]string{"l": "uses the label l, which only old series have", "e": "", "other": ""} {
		queries, err := migrate.Read("d", fmt.Appendf(nil, `{"templating": {"list": [{"name": "v", "type": "query", "query": "label_values( %s )"}]}}`, label))
		if err != nil {
			t.Fatal(err)
		}
		if got := noticed(check(queries[0], before, after)); got != want {
			t.Errorf("label_values(%s): got %q, want %q", label, got, want)
		}
	}
}

// inBothSchemas returns the query as a dashboard of each of Grafana's schemas has it,
// with one variable.
func inBothSchemas(t *testing.T, variable, query string) map[string]migrate.Query {
	t.Helper()
	read := map[string]migrate.Query{}
	for schema, content := range map[string]string{
		"v1": fmt.Sprintf(`{"templating": {"list": [%s]}, "panels": [{"targets": [{"expr": %q}]}]}`, variable, query),
		"v2": fmt.Sprintf(`{"spec": {"variables": [%s], "elements": {"a": {"kind": "Panel", "spec": {"data": {"spec": {"queries": [{"spec": {"query": {"kind": "prometheus", "spec": {"expr": %q}}}}]}}}}}}}`, secondSchema(t, variable), query),
	} {
		queries, err := migrate.Read("d", []byte(content))
		if err != nil {
			t.Fatal(content, err)
		}
		read[schema] = queries[0]
	}
	return read
}

// noticed joins the messages of findings that count. Those of queries that could not
// be checked begin with ?.
func noticed(findings []migrate.Finding) string {
	var all []string
	for _, f := range findings {
		if f.Unchecked {
			f.Text = "? " + f.Text
		}
		if f.Because == "" {
			all = append(all, f.Text)
		}
	}
	return strings.Join(all, "; ")
}

func numbered(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, ",")
}

// secondSchema translates a variable to Grafana's second schema.
func secondSchema(t *testing.T, variable string) []byte {
	t.Helper()
	spec := map[string]any{}
	err1 := json.Unmarshal([]byte(variable), &spec)
	kind := map[any]string{"constant": "Constant", "custom": "Custom", "query": "Query", "adhoc": "Adhoc", "interval": "Interval", "textbox": "Text"}[spec["type"]]
	content, err2 := json.Marshal(map[string]any{"kind": kind + "Variable", "spec": spec})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return content
}

// The values of an export's inputs are the values of its constants.
func TestInputs(t *testing.T) {
	queries, err := migrate.Read("d", []byte(`{
		"__inputs": [{"name": "VAR_P", "type": "constant", "value": "ns"}],
		"templating": {"list": [{"name": "p", "type": "constant", "query": "${VAR_P}"}, {"name": "l", "type": "custom", "query": "a,e"},
			{"name": "q", "type": "query", "query": "label_values(${p}_x, $l)"}]},
		"panels": [{"targets": [{"expr": "${p}_x"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	before, after := parse(t, "old", "ns_x{e=\"1\"} 1\n"), parse(t, "new", "ns_x{f=\"1\"} 1\n")
	const both = "selects 1 old and 1 new series"
	for i, want := range []string{both, both + "; uses the label e, which only old series have"} {
		if got := noticed(check(queries[i], before, after)); got != want {
			t.Errorf("%s: got %s, want %s", queries[i].Text, got, want)
		}
	}
}
