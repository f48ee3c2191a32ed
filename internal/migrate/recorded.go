package migrate

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// goingEmpty returns the names of recorded series that exist with the old metrics but
// not with the new ones. A rule may read series that other rules record.
func (c checking) goingEmpty(queries []Query) map[string]bool {
	rules := map[string][]Query{}
	for _, q := range queries {
		if q.Record != "" {
			rules[q.Record] = append(rules[q.Record], q)
		}
	}
	c.emptied = map[string]bool{}
	for {
		n := len(c.emptied)
		for name, list := range rules {
			all := empty{before: true, after: true}
			for _, q := range list {
				all = all.and(c.made(q))
			}
			if all.after && !all.before {
				c.emptied[name] = true
			}
		}
		if len(c.emptied) == n {
			return c.emptied
		}
	}
}

// empty reports for both metrics whether an expression has no result.
type empty struct{ before, after bool }

func (e empty) and(o empty) empty { return empty{e.before && o.before, e.after && o.after} }
func (e empty) or(o empty) empty  { return empty{e.before || o.before, e.after || o.after} }

func (c checking) made(q Query) empty {
	expr, _, err := parse(q.Text)
	if err != nil {
		return empty{}
	}
	one := checker{checking: c, q: q, exported: exportedLabels(expr)}
	return one.empty(expr)
}

// empty evaluates an expression without values: a result that depends on values is
// taken to exist.
func (c *checker) empty(node parser.Node) empty {
	switch n := node.(type) {
	case *parser.VectorSelector:
		return c.selected(n)
	case *parser.BinaryExpr:
		switch left, right := c.empty(n.LHS), c.empty(n.RHS); n.Op {
		case parser.LOR:
			return left.and(right)
		case parser.LUNLESS:
			return left
		default:
			return left.or(right)
		}
	case *parser.Call:
		if slices.Contains([]string{"absent", "absent_over_time", "scalar"}, n.Func.Name) { // have a result for no series
			return empty{}
		}
	}
	var some empty
	for child := range parser.ChildrenIter(node) {
		some = some.or(c.empty(child))
	}
	return some
}

// selected treats a metric that neither server has as present: another exporter may
// have it. It treats series whose loss does not count as present too.
func (c *checker) selected(v *parser.VectorSelector) empty {
	name, rest := ofName(v)
	made := c.recorded(name)
	all := *c
	all.ignored, all.found = nil, nil
	before, after := all.named(c.before, name), all.named(c.after, name)
	if made != "" || c.added(before, after) != "" {
		return empty{after: c.emptied[made]}
	}
	found := all.none(rest, before, after)
	if found.after && !found.before {
		all.ignored = c.ignored
		if all.judge(func(c *checker) { c.selector(v, groupings{}) }); !counts(all.found) {
			return empty{}
		}
	}
	return found
}

func (c *checker) none(matchers []*labels.Matcher, before, after []sample) empty {
	of := c.labelsOf(before, after)
	selects := func(s sample) bool { return c.selects(s, matchers, of) }
	return empty{before: !slices.ContainsFunc(before, selects), after: !slices.ContainsFunc(after, selects)}
}
