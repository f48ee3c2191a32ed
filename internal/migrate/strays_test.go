package migrate_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// The new server counts a path without a route in another series. A query that names
// or excludes the path is a finding; a query for all paths is not.
func TestPathsWithoutARoute(t *testing.T) {
	const kind = "# TYPE ns_request_total counter\n"
	before := parse(t, "old", kind+`ns_request_total{endpoint="/a",http_response_code="200"} 5.0
ns_request_total{endpoint="/gone",http_response_code="404"} 2.0
ns_request_total{endpoint="/lost",http_response_code="404"} 2.0
ns_request_total{endpoint="/refuses",http_response_code="404"} 2.0
ns_request_in_progress{endpoint="/gone"} 0.0
`)
	after := parse(t, "new", kind+`ns_request_total{endpoint="/a",http_response_code="200"} 5.0
ns_request_total{endpoint="/refuses",http_response_code="404"} 2.0
ns_request_total{endpoint="unmatched",http_response_code="404"} 4.0
ns_request_in_progress{endpoint="/a"} 0.0
`)
	const because = `; the new server counts paths without a route as endpoint="unmatched"`
	for query, want := range map[string]string{
		`M`:                                        "",
		`sum(rate(M[5m]))`:                         "",
		`M{http_response_code=~"4.."}`:             "",
		`M{endpoint!="/a"}`:                        "",
		`M{endpoint="/refuses"}`:                   "",
		`sum(ns_request_in_progress)`:              "",
		`M{endpoint="$endpoint"}`:                  "",
		`M{endpoint="/gone"}`:                      "goes empty: selects 1 old and 0 new series" + because,
		`M{exported_endpoint=~"/gone.*"}`:          "goes empty: selects 1 old and 0 new series" + because,
		`M{endpoint=~"/a|/gone"}`:                  "selects 2 old and 1 new series" + because,
		`M{endpoint=~"/.*"}`:                       "selects 4 old and 2 new series" + because,
		`M{endpoint!~"/gone|/lost"}`:               "selects 2 old and 3 new series",
		`ns_request_in_progress{endpoint="/gone"}`: "goes empty: selects 1 old and 0 new series" + because,
	} {
		content := `{"panels":[{"title":"p","targets":[{"expr":"` + strings.ReplaceAll(strings.ReplaceAll(query, "M", "ns_request_total"), `"`, `\"`) + `"}]}]}`
		queries, err := migrate.Read("d.json", []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range check(queries[0], before, after) {
			got = append(got, f.Text)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s:\n got %s\nwant %s", query, strings.Join(got, "; "), want)
		}
	}
}

// A query is a finding if a value that the file gives for its variable, alone or as
// the value of All, is a path without a route, although the variable may have any
// value.
func TestGivenPathWithoutARoute(t *testing.T) {
	const kind = "# TYPE ns_request_total counter\n"
	before := parse(t, "old", kind+`ns_request_total{endpoint="/gone",http_response_code="404"} 2`+"\n")
	after := parse(t, "new", kind+`ns_request_total{endpoint="unmatched",http_response_code="404"} 2`+"\n")
	const author, options = `"includeAll": true, "allValue": "/g.*"`, `"includeAll": true, "options": [{"value": "$__all"}, {"value": "/other"}, {"value": "/gone"}]`
	for _, test := range []struct {
		fields, current string
		want            bool
	}{
		{``, `{"value": "/gone"}`, true},
		{``, `{"value": ["/gone", "/x"]}`, true},
		{``, `{"value": "/gone", "text": "All"}`, true},
		{``, `{"value": "$__all"}`, false},
		{``, `{"value": "/other"}`, false},
		{author, `{"value": "$__all"}`, true},
		{author, `{"value": ["$__all"], "text": ["All"]}`, true},
		{author, `{"value": "All"}`, true},
		{author, `{"value": ["All"]}`, true},
		{author, `{"value": null, "text": "All"}`, true},
		{author, `{"value": [], "text": ["All"]}`, true},
		{author, `{"value": "", "text": "All"}`, true},
		{author, `{"value": "/other"}`, true},
		{author, `{}`, true},
		{`"allValue": "/g.*"`, `{"value": "$__all"}`, true},
		{`"allValue": "/g.*"`, `{"value": "/other"}`, false}, // nobody can choose All
		{`"includeAll": true, "allValue": "$x.*"`, `{"value": "$__all"}`, false},
		{`"includeAll": true, "allValue": ".*"`, `{"value": "$__all"}`, false},
		{options, `{"value": "$__all"}`, true},
		{options, `{"value": "/other"}`, false},
	} {
		variable := `{"name": "e", "type": "query", "query": "label_values(endpoint)", "current": ` + test.current
		if test.fields != "" {
			variable += ", " + test.fields
		}
		for schema, query := range inBothSchemas(t, variable+"}", `ns_request_total{endpoint=~"$e"}`) {
			if got := noticed(check(query, before, after)); (got != "") != test.want {
				t.Errorf("%s: %s: got %q, want a finding: %t", schema, variable, got, test.want)
			}
		}
	}
}
