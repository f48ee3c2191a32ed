package migrate_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// The series of two processes become one without pid. A query that uses pid or counts
// series is a finding.
func TestMergedSeries(t *testing.T) {
	const kind = "# TYPE ns_last_request_timestamp_seconds gauge\n"
	before := parse(t, "old", kind+`ns_last_request_timestamp_seconds{pid="7",runner_name="S"} 1.0
ns_last_request_timestamp_seconds{pid="8",runner_name="S"} 2.0
ns_last_request_timestamp_seconds{pid="9",runner_name="T"} 2.0
`)
	after := parse(t, "new", kind+`ns_last_request_timestamp_seconds{runner_name="S"} 2.0
ns_last_request_timestamp_seconds{runner_name="T"} 2.0
`)
	const label = "uses the label pid, which only old series have"
	of := func(op string) string {
		return "takes the " + op + " of 3 old and of 2 new series"
	}
	for query, want := range map[string]string{
		`M`:                               "",
		`max(M)`:                          "",
		`sum by (runner_name) (M)`:        "",
		`topk(5, M)`:                      "",
		`count(M) < 2`:                    of("count"),
		`count((M > 5) or vector(1))`:     of("count"),
		`count by (runner_name) (M)`:      of("count"),
		`avg(time() - M)`:                 of("avg"),
		`count_values("v", M)`:            of("count_values"),
		`quantile without (pid) (0.5, M)`: of("quantile"),
		`count(M{runner_name="T"})`:       "",
		`sum by (pid) (topk by (runner_name) (5, M))`:            label,
		`sum by (runner_name) (bottomk by (pid) (5, M))`:         label,
		`count by (pid) (M)`:                                     label,
		`avg without (runner_name) (M)`:                          "",
		`count(max without (pid) (M))`:                           "",
		`count(max without (exported_pid) (M))`:                  "",
		`count(max without (job) (M))`:                           of("count"),
		`count(max by (runner_name) (M))`:                        "",
		`count((count by (runner_name) (M)))`:                    "",
		`count(count by (runner_name) (M) > 1)`:                  of("count"),
		`sum(group by (runner_name) (M))`:                        "",
		`label_replace(M, "p", "$1", ("pid"), "(.*)")`:           label,
		`label_join(M, "p", "-", "runner_name", "pid")`:          label,
		`label_replace(M, "pid", "1", "runner_name", "")`:        "",
		`up * on (runner_name) group_left (pid) M`:               label,
		`M * on (runner_name) group_left (pid) up`:               "",
		`M * on (runner_name) group_right (pid) up`:              label,
		`max by (a) (up * on (runner_name) group_left (pid) M)`:  label,
		`up * on (runner_name) group_left (exported_pid) max(M)`: "",
	} {
		text := strings.ReplaceAll(query, "M", "ns_last_request_timestamp_seconds")
		var got []string
		for _, f := range check(migrate.Query{Text: text}, before, after) {
			if f.Because == "" {
				got = append(got, f.Text)
			}
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s:\n got %s\nwant %s", query, strings.Join(got, "; "), want)
		}
	}
	same := parse(t, "new", kind+`ns_last_request_timestamp_seconds{pid="1",runner_name="S"} 1.0
ns_last_request_timestamp_seconds{pid="2",runner_name="S"} 1.0
`)
	query := migrate.Query{Text: `count(ns_last_request_timestamp_seconds{runner_name="S"})`}
	if found := check(query, before, same); len(found) != 0 {
		t.Errorf("as many as before: %+v", found)
	}
}
