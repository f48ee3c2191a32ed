package migrate_test

import (
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
