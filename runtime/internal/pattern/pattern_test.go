package pattern

import (
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A pattern matches whole segments, and its wildcards no empty one.
func TestMatch(t *testing.T) {
	for _, test := range []struct{ route, path, values string }{
		{"/a", "/a", ""},
		{"/m/{x}", "/m/1", "1"},
		{"/m/{x}/{y}/run", "/m/1/2/run", "1,2"},
		{"/{x}", "/é", "é"},
		{"/m/{x}", "/m", "none"},
		{"/m/{x}", "/m/", "none"},
		{"/m/{x}", "/m/1/2", "none"},
		{"/m/{x}", "/n/1", "none"},
		{"/m/{x}", "/m/..", "none"},
		{"/m/{x}/run", "/m//run", "none"},
		{"/m/{x}", "m/1", "none"},
		{"/m/{x}", "", "none"},
	} {
		p := check.Value(Parse(test.route))(t)
		values, ok := p.Match(test.path)
		if got := strings.Join(values, ","); ok != (test.values != "none") || ok && got != test.values {
			t.Errorf("%s on %s: got %q, %t, want %s", test.route, test.path, got, ok, test.values)
		}
		if p.Exact() == strings.Contains(test.route, "{") || len(p.Names()) != strings.Count(test.route, "{") {
			t.Errorf("%s: exact %t, names %q", test.route, p.Exact(), p.Names())
		}
	}
}

// The more specific pattern comes first; two that match the same have one shape.
func TestCompare(t *testing.T) {
	var sorted []Pattern
	for _, route := range []string{"/{a}/{b}", "/{a}/x", "/m/{b}", "/m/x"} {
		p := check.Value(Parse(route))(t)
		sorted = append(sorted, p)
	}
	general, other := sorted[0], sorted[1]
	slices.SortFunc(sorted, Pattern.Compare)
	if !sorted[0].Exact() || !sorted[3].SameShape(general) || general.SameShape(other) {
		t.Errorf("got %v", sorted)
	}
}
