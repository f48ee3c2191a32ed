package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// A finding shows ten lost and ten gained series and the number of the others.
func TestFindingSaysHowManyMore(t *testing.T) {
	f := migrate.Finding{Where: "a", Text: "b", Selector: "c", Gained: []string{"5", "6"}}
	want := "a: b\nc"
	for i := range 12 {
		f.Lost = append(f.Lost, fmt.Sprintf("s%02d", i))
		if i < 10 {
			want += fmt.Sprintf("\n- s%02d", i)
		}
	}
	if got, want := f.String(), want+"\n- and 2 more\n+ 5\n+ 6"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The buckets of a histogram take one line.
func TestBucketsAreOneLine(t *testing.T) {
	f := migrate.Finding{Where: "a", Text: "b", Lost: []string{"s{e=\"/b\"}"}}
	for i := range 20 {
		f.Lost = append(f.Lost, fmt.Sprintf(`s_bucket{e="/a",le="%d",title="x"}`, i))
	}
	if got, want := f.String(), "a: b\n- s{e=\"/b\"}\n- s_bucket{e=\"/a\",le=\"0\",title=\"x\"} and 19 more buckets"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Lost series are shown with all labels as the server wrote them, also with ignored
// and documented ones.
func TestLostSeriesAreWhole(t *testing.T) {
	const kinds = "# TYPE ns_s histogram\n# TYPE ns_last_request_timestamp_seconds gauge\n"
	before := parse(t, "old", kinds+`ns_s_bucket{e="/a",v="1",le="1.0"} 1
ns_last_request_timestamp_seconds{pid="7",v="1"} 1
ns_last_request_timestamp_seconds{pid="8",v="1"} 1
`)
	after := parse(t, "new", kinds+`ns_s_bucket{e="/a",v="2",le="1"} 1
ns_last_request_timestamp_seconds{v="2"} 1
`)
	for query, want := range map[string][]string{
		`ns_s_bucket{le="1.0"}`:                        {`ns_s_bucket{e="/a",le="1.0",v="1"}`},
		`ns_last_request_timestamp_seconds{pid=~".+"}`: {`ns_last_request_timestamp_seconds{pid="7",v="1"}`, `ns_last_request_timestamp_seconds{pid="8",v="1"}`},
	} {
		report := migrate.NewReport(before, after, []migrate.Query{{Where: "p", Text: query}}, migrate.Options{Ignore: []string{"{v}"}})
		if len(report.Findings) != 1 || !slices.Equal(report.Findings[0].Lost, want) || !strings.Contains(report.Findings[0].String(), "\n- "+want[0]) {
			t.Errorf("%s: %+v, want %s", query, report.Findings, want)
		}
	}
}

// A difference shows twenty values and the number of the others.
func TestDifferenceSaysHowManyMore(t *testing.T) {
	d := migrate.Difference{Kind: migrate.ValuesLost, Family: "a", Label: "b", Old: strings.Split("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21", " ")}
	if got := d.String(); !strings.HasSuffix(got, " 19, 20, and 1 more") {
		t.Errorf("got %s", got)
	}
}
