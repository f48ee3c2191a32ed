package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// filters are matchers that a dashboard adds to each selector of its queries (ad hoc
// filters).
type filters struct {
	always []string
	chosen []string // when the file was saved; a user of the dashboard can change them
}

// add adds the filters of a variable.
func (f *filters) add(n *node) {
	for _, one := range n.list("baseFilters") {
		f.always = appendText(f.always, matcherOf(one))
	}
	for _, one := range n.list("filters") {
		f.chosen = appendText(f.chosen, matcherOf(one))
	}
}

// matcherOf returns a filter as PromQL, or "" for an incomplete one, which Grafana
// ignores too.
func matcherOf(n *node) string {
	key, op, value := n.str("key"), n.str("operator"), n.str("value")
	if many := n.get("values").texts(); len(op) > 1 && strings.HasSuffix(op, "|") { // one of several values
		op = map[string]string{"=|": "=~", "!=|": "!~"}[op]
		for i := range many {
			many[i] = regexp.QuoteMeta(many[i])
		}
		value = strings.Join(many, "|")
	}
	if key == "" || n.str("operator") == "" || value == "" {
		return ""
	}
	r := replacer{text: value, uses: map[string]bool{}, quote: '`'} // a variable in it may have any value
	return fmt.Sprintf("%s%s%q", key, op, r.all())
}

// apply returns the readings of a group with the filters that a user cannot change,
// and adds a reading with the others.
func (f filters) apply(group []Query) []Query {
	for i := range group {
		group[i].matchers = f.always
	}
	if len(f.chosen) > 0 {
		last := group[len(group)-1]
		last.matchers = append(slices.Clone(f.always), f.chosen...)
		group = append(group, last)
	}
	return group
}

// filter adds the matchers of q to each selector.
func (q Query) filter(expr parser.Expr) error {
	if len(q.matchers) == 0 {
		return nil
	}
	text := "{" + strings.Join(q.matchers, ",") + "}"
	added, _, err := parse("ekiben" + text)
	selector, ok := added.(*parser.VectorSelector)
	if err != nil || !ok {
		return fmt.Errorf("the ad hoc filters of the dashboard must be matchers of PromQL, found %s", text)
	}
	_, matchers := ofName(selector)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			v.LabelMatchers = append(v.LabelMatchers, matchers...)
		}
		return nil
	})
	return nil
}
