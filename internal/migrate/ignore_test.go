package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// A finding about ignored labels or families alone does not count, whether the query
// groups by them, selects by them or only reads their series. Other findings count.
func TestIgnoredOfQueries(t *testing.T) {
	const kinds = "# TYPE ns_x_total counter\n# TYPE ns_s histogram\n"
	before := parse(t, "old", kinds+`ns_x_total{v="1",w="1",e="/a"} 5
ns_x_total{v="1",w="1",e="/b"} 5
ns_s_count{v="1"} 1
ns_s_sum{v="1"} 1
`)
	after := parse(t, "new", kinds+`ns_x_total{v="2",e="/a"} 5
ns_s_count{v="2"} 1
ns_s_sum{v="2"} 1
`)
	short := strings.NewReplacer("goes empty: ", "", "selects ", "", " old and ", " → ", " new series", "", ", which only old series have", "")
	const all = "(ignored by --ignore)"
	for _, test := range []struct {
		query, ignore, want string
	}{
		{`ns_s_sum`, ``, "1 → 1"},
		{`ns_s_sum`, `{v}`, all},
		{`ns_s_sum{v="1"}`, `{v}`, all},
		{`ns_s_sum{v="1"}`, `ns_s{v}`, all},
		{`ns_s_sum{v="1"}`, `ns_s`, all},
		{`ns_s_sum{v="1"}`, `ns_s{w}`, "1 → 0"},
		{`ns_s_sum{v="1"}`, `ns_x_total{v}`, "1 → 0"},
		{`ns_s_sum{v="1"}`, `ns_x_total`, "1 → 0"},
		{`sum by (v, w) (ns_x_total{e="/a"})`, `{v} ns_x_total{w}`, all + "; " + all},
		{`sum by (w) (ns_x_total{e="/a"})`, `{v}`, "1 → 1; uses the label w"},
		{`ns_x_total`, `{v} {w}`, "2 → 1"},
		{`ns_x_total`, `ns_x_total`, all},
		{`ns_x_total{v="1"} / ns_s_sum{v="1"}`, `ns_s`, "2 → 0; " + all},
	} {
		report := migrate.NewReport(before, after, []migrate.Query{{Where: "p", Text: test.query}}, migrate.Options{Ignore: strings.Fields(test.ignore)})
		var got []string
		for _, f := range report.Findings {
			if f.Because != "" {
				f.Text = "(" + f.Because + ")"
			}
			got = append(got, short.Replace(f.Text))
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s without %s: got %s, want %s\n%+v", test.query, test.ignore, strings.Join(got, "; "), test.want, report.Findings)
		}
	}
}

// A finding shows the series that the query selects, although series without ignored
// labels decide whether it counts. Ignored labels and series are not shown.
func TestIgnoredLabelsThatAreSelected(t *testing.T) {
	before := parse(t, "old", "a{l=\"1\",m=\"x\",o=\"1\"} 1\na{l=\"1\",m=\"z\",n=\"1\"} 1\n")
	after := parse(t, "new", "a{l=\"2\",m=\"y\"} 1\na{l=\"2\",m=\"z\"} 1\n")
	for query, want := range map[string]string{
		`a{l="1"}`:          `p: goes empty: selects 2 old and 0 new series` + "\n" + `a{l="1"}` + "\n" + `- a{l="1",m="x",o="1"}`,
		`a{l="1",m=~"x|z"}`: `p: goes empty: selects 2 old and 0 new series` + "\n" + `a{l="1",m=~"x|z"}` + "\n" + `- a{l="1",m="x",o="1"}`,
		`sum by (n, o) (a)`: `p: selects 2 old and 2 new series
a
in sum by (n, o) (a)
- a{l="1",m="x",o="1"}
+ a{l="2",m="y"}
p: uses the label o, which only old series have
a
in sum by (n, o) (a)`,
	} {
		report := migrate.NewReport(before, after, []migrate.Query{{Where: "p", Text: query}}, migrate.Options{Ignore: []string{"{l}", "{n}"}})
		var got []string
		for _, f := range report.Findings {
			if f.Because == "" {
				got = append(got, f.String())
			}
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, strings.Join(got, "\n"), want)
		}
	}
}

// A pattern that only a finding of a query matches is used.
func TestPatternsThatOnlyQueriesUse(t *testing.T) {
	before := parse(t, "old", "ns_x{a=\"1\",b=\"1\"} 1\nns_x{a=\"2\",b=\"2\"} 1\n")
	after := parse(t, "new", "ns_x{a=\"1\",b=\"2\"} 1\nns_x{a=\"2\",b=\"1\"} 1\n")
	report := migrate.NewReport(before, after, []migrate.Query{{Where: "p", Text: "ns_x"}}, migrate.Options{Ignore: []string{"{c}", "ns_x{b}"}})
	if report.Counted != 0 || !slices.Equal(report.Unused, []string{"{c}"}) {
		t.Errorf("got %+v", report)
	}
}

// Series that differ only in an ignored label are one series. A new series is found in
// any order of the series.
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

// Unused has the patterns that match nothing. Differences that a pattern matches do
// not count.
func TestUnusedPatterns(t *testing.T) {
	before, after := parse(t, "old", "ns_x{a=\"1\"} 1\n"), parse(t, "new", "ns_x{a=\"2\"} 1\n")
	report := migrate.NewReport(before, after, nil, migrate.Options{Ignore: []string{"{b}", "{a}", "ns_x"}})
	if report.Counted != 0 || !slices.Equal(report.Unused, []string{"{b}"}) {
		t.Errorf("got %+v", report)
	}
}
