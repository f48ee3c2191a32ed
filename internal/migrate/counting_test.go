package migrate_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// The series of two processes become one without pid. A query that uses pid or counts
// series is a finding.
func TestMergedSeries(t *testing.T) {
	const family = "ns_last_request_timestamp_seconds"
	series := func(labels ...string) *migrate.Metrics {
		text := "# TYPE " + family + " gauge\n"
		for _, l := range labels {
			text += family + "{" + l + "} 1.0\n"
		}
		return parse(t, "metrics", text)
	}
	before := series(`pid="7",runner_name="S"`, `pid="8",runner_name="S"`, `pid="9",runner_name="T"`)
	after := series(`runner_name="S"`, `runner_name="T"`)
	const label = "uses the label pid, which only old series have"
	of := func(op string) string { return "takes the " + op + " of 3 old and of 2 new series" }
	for want, queries := range map[string][]string{
		"": {
			`M`, `max(M)`, `sum by (runner_name) (M)`, `topk(5, M)`, `count(M{runner_name="T"})`, `avg without (runner_name) (M)`,
			`count(max without (pid) (M))`, `count(max without (exported_pid) (M))`, `count(max by (runner_name) (M))`,
			`count((count by (runner_name) (M)))`, `sum(group by (runner_name) (M))`, `label_replace(M, "pid", "1", "runner_name", "")`,
			`M * on (runner_name) group_left (pid) up`, `up * on (runner_name) group_left (exported_pid) max(M)`,
		},
		label: {
			`sum by (pid) (topk by (runner_name) (5, M))`, `sum by (runner_name) (bottomk by (pid) (5, M))`, `count by (pid) (M)`,
			`label_replace(M, "p", "$1", ("pid"), "(.*)")`, `label_join(M, "p", "-", "runner_name", "pid")`,
			`up * on (runner_name) group_left (pid) M`, `M * on (runner_name) group_right (pid) up`,
			`max by (a) (up * on (runner_name) group_left (pid) M)`,
		},
		of("avg"): {`avg(time() - M)`},
		of("count"): {
			`count(M) < 2`, `count((M > 5) or vector(1))`, `count by (runner_name) (M)`, `count(max without (job) (M))`,
			`count(count by (runner_name) (M) > 1)`,
		},
		of("count_values"): {`count_values("v", M)`},
		of("quantile"):     {`quantile without (pid) (0.5, M)`},
	} {
		for _, query := range queries {
			var got []string
			for _, f := range check(migrate.Query{Text: strings.ReplaceAll(query, "M", family)}, before, after) {
				if f.Because == "" {
					got = append(got, f.Text)
				}
			}
			if strings.Join(got, "; ") != want {
				t.Errorf("%s:\n got %s\nwant %s", query, strings.Join(got, "; "), want)
			}
		}
	}
	same := series(`pid="1",runner_name="S"`, `pid="2",runner_name="S"`)
	query := migrate.Query{Text: "count(" + family + `{runner_name="S"})`}
	if found := check(query, before, same); len(found) != 0 {
		t.Errorf("as many as before: %+v", found)
	}
}
