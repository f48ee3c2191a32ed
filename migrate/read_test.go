package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/migrate"
)

// Which of a dashboard's targets are Prometheus', whatever its data source is
// called and wherever that is said, and what of a query is a variable.
func TestWhatADashboardAsks(t *testing.T) {
	queries, err := migrate.Dashboard("d", []byte(`{"panels": [
		{"title": "amazon", "targets": [{"expr": "a", "datasource": {"type": "grafana-amazonprometheus-datasource"}}]},
		{"title": "loki", "datasource": {"type": "loki"}, "targets": [{"expr": "{app=\"x\"} |= \"b\""}]},
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
	if len(got) != 5 || got[0] != "a" || got[1] != "c" || got[2] != `d{x=~"[[:alpha:]]+"}` || got[3] == `e{x=~"[[x]]"}` || got[4] == `f # it's`+"\n"+`{x="$x"}` {
		t.Errorf("got %q", got)
	}
}

func TestRulesWithAliases(t *testing.T) {
	queries, _, err := migrate.Rules("r.yml", []byte("groups:\n- name: g\n  rules:\n  - {alert: A, expr: &e up == 0}\n  - {alert: B, expr: *e}\n"))
	if err != nil || len(queries) != 2 || queries[1].Text != "up == 0" {
		t.Errorf("got %+v, %v", queries, err)
	}
}

// Series that differ in an ignored label only are one: what the new page has more
// of is found, whatever order they come in.
func TestIgnoredLabelsMerge(t *testing.T) {
	const kind = "# TYPE ns_x counter\nns_x_total{v=\"1\",endpoint=\"/z\"} 0\n"
	before := parse(t, "old", kind)
	for _, more := range []string{"ns_x_total{v=\"1\",endpoint=\"/a\"} 5\nns_x_total{v=\"2\",endpoint=\"/a\"} 0\n", "ns_x_total{v=\"1\",endpoint=\"/a\"} 0\nns_x_total{v=\"2\",endpoint=\"/a\"} 5\n"} {
		report := migrate.NewReport(before, parse(t, "new", kind+more), []migrate.Query{{Where: "p", Text: "ns_x_total"}}, migrate.Options{Ignore: []string{"{v}"}})
		if len(report.Findings) != 1 || len(report.Findings[0].Gained) != 1 {
			t.Errorf("with %s: %+v", more, report.Findings)
		}
	}
}

func TestIgnoredPatterns(t *testing.T) {
	good := []string{"ns_x", "ns:x", "ns_x{a}", "{a}"}
	bad := []string{"", "{}", "ns_x{", "ns_x{}", "a b", "{a", "a}"}
	for _, p := range good {
		if err := migrate.CheckIgnored(p); err != nil {
			t.Error(err)
		}
	}
	for _, p := range bad {
		if err := migrate.CheckIgnored(p); err == nil || !strings.HasPrefix(err.Error(), "must be ") {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// A pattern that names no difference is named, one that does is not, and what a
// pattern names does not count.
func TestUnusedPatterns(t *testing.T) {
	before, after := parse(t, "old", "ns_x{a=\"1\"} 1\n"), parse(t, "new", "ns_x{a=\"2\"} 1\n")
	report := migrate.NewReport(before, after, nil, migrate.Options{Ignore: []string{"{b}", "{a}", "ns_x"}})
	if report.Counted != 0 || !slices.Equal(report.Unused, []string{"{b}"}) {
		t.Errorf("got %+v", report)
	}
}
