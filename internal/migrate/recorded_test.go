package migrate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// A rule that reads a recorded series that goes empty is a finding, also through other
// rules. A rule that reads a series that still has results is not.
func TestReadersOfRecordedSeries(t *testing.T) {
	before := parse(t, "old", "ns_x{a=\"1\",v=\"1\"} 1\nns_x{a=\"2\",v=\"2\"} 1\nns_y 1\n")
	after := parse(t, "new", "ns_x{a=\"2\",v=\"2\"} 1\nns_y 1\n")
	for expr, want := range map[string]bool{
		`sum(rate(ns_x{a="1"}[5m]))`:                    true,
		`ns_y / ns_x{a="1"} * on (pod) kube_pod_labels`: true,
		`ns_x{a="1"} or ns_x{a="1",a!=""}`:              true,
		`ns_x{a="1"} unless ns_y`:                       true,
		`ns_x{v="1"}`:                                   true,  // a is lost too
		`ns_x`:                                          false, // one of two is lost
		`ns_x{a="3"}`:                                   false, // empty before
		`ns_x{a="1"} or ns_y`:                           false,
		`ns_y unless ns_x{a="1"}`:                       false,
		`absent(ns_x{a="1"})`:                           false,
		`kube_pod_labels`:                               false,
		`sum(`:                                          false,
	} {
		content := fmt.Sprintf("groups:\n- name: g\n  rules:\n  - {alert: Alert, expr: 'max by (a) (job:x:max) > 1'}\n  - {record: 'job:x:max', expr: max(job:x:rate5m)}\n"+
			"  - {record: 'job:x:rate5m', expr: '%s'}\n", expr)
		queries, err := migrate.Read("r", []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		for ignore, want := range map[string]bool{"{b}": want, "{v}": want, "{a} {v}": false, "ns_x": false} {
			var got []string
			for _, f := range migrate.NewReport(before, after, queries, migrate.Options{Ignore: strings.Fields(ignore)}).Findings {
				if strings.HasPrefix(f.Text, "reads ") && f.Because == "" {
					got = append(got, f.Where+": "+f.Text)
				}
			}
			text := "r:4 › g › Alert: reads job:x:max, which goes empty; r:5 › g › job:x:max: reads job:x:rate5m, which goes empty"
			if !want {
				text = ""
			}
			if strings.Join(got, "; ") != text {
				t.Errorf("%s without %s: got %q, want %q", expr, ignore, got, text)
			}
		}
	}
}

// A series that several rules record goes empty if all of these rules do.
func TestSeriesOfSeveralRules(t *testing.T) {
	before, after := parse(t, "old", "ns_x 1\nns_y 1\nns_z 1\n"), parse(t, "new", "ns_z 1\n")
	for second, want := range map[string]bool{"ns_y": true, "ns_z": false} {
		queries, err := migrate.Read("r", []byte("groups: [{name: g, rules: [{record: 'a:b', expr: ns_x}, {record: 'a:b', expr: "+second+"}, {alert: A, expr: 'a:b > 1'}]}]"))
		if err != nil {
			t.Fatal(err)
		}
		findings := migrate.NewReport(before, after, queries, migrate.Options{}).Findings
		if last := findings[len(findings)-1]; (last.Text == "reads a:b, which goes empty") != want {
			t.Errorf("%s: %+v", second, findings)
		}
	}
}
