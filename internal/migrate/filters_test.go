package migrate_test

import (
	"fmt"
	"testing"
)

// Ad hoc filters are matchers of each selector.
func TestAdHocFilters(t *testing.T) {
	const kind = "# TYPE ns_x_total counter\n"
	before := parse(t, "old", kind+"ns_x_total{e=\"/a\"} 1\nns_x_total{e=\"/b.c\"} 1\n")
	after := parse(t, "new", kind+"ns_x_total{e=\"/a\"} 1\n")
	const lost = "goes empty: selects 1 old and 0 new series"
	for _, test := range []struct{ filter, want string }{
		{`{"key": "e", "operator": "=", "value": "/b.c"}`, lost},
		{`{"key": "e", "operator": "=~", "value": "/b.*"}`, lost},
		{`{"key": "e", "operator": "!=", "value": "/a"}`, lost},
		{`{"key": "e", "operator": "=|", "value": "/b.c", "values": ["/b.c", "/z"]}`, lost},
		{`{"key": "e", "operator": "!=|", "value": "/a", "values": ["/a", "/z"]}`, lost},
		{`{"key": "e", "operator": "=", "value": "/a"}`, ""},
		{`{"key": "e", "operator": "=|", "value": "/a", "values": ["/a", "/b,c"]}`, ""},
		{`{"key": "e", "operator": "=", "value": ""}`, "selects 2 old and 1 new series"},
		{`{"key": "e", "operator": "=", "value": "$x"}`, "selects 2 old and 1 new series"},
		{`{"key": "e", "operator": "<", "value": "3"}`, `? the ad hoc filters of the dashboard must be matchers of PromQL, found {e<"3"}`},
	} {
		variable := fmt.Sprintf(`{"name": "v", "type": "adhoc", "baseFilters": [%s]}`, test.filter)
		for schema, query := range inBothSchemas(t, variable, "ns_x_total") {
			if got := noticed(check(query, before, after)); got != test.want {
				t.Errorf("%s: %s:\n got %s\nwant %s", schema, variable, got, test.want)
			}
		}
	}
}
