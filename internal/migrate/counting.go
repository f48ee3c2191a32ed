package migrate

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

// dependent are the aggregations whose value depends on the number of series. sum is
// not one of them, since values are not compared.
var dependent = []parser.ItemType{parser.COUNT, parser.COUNT_VALUES, parser.AVG, parser.STDDEV, parser.STDVAR, parser.QUANTILE}

// count is a dependent aggregation around a selector.
type count struct {
	op       string
	without  bool
	grouping []string
	merged   []string // labels that inner aggregations remove
}

// selecting are the aggregations that keep the labels of their series.
var selecting = []parser.ItemType{parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO}

// inside returns the groupings of the operand of an aggregation.
func (g groupings) inside(n *parser.AggregateExpr) groupings {
	in := groupings{labels: n.Grouping, present: n.Op == parser.COUNT || n.Op == parser.GROUP}
	if n.Without {
		in.labels = g.labels
		for _, outer := range g.counts {
			outer.merged = slices.Concat(outer.merged, n.Grouping)
			in.counts = append(in.counts, outer)
		}
	}
	if slices.Contains(selecting, n.Op) && !n.Without {
		in.labels = slices.Concat(g.labels, n.Grouping)
	}
	if slices.Contains(dependent, n.Op) && !g.present {
		in.counts = append(in.counts, count{op: n.Op.String(), without: n.Without, grouping: n.Grouping})
	}
	return in
}

// counted finds aggregations that count fewer series than before although none is
// lost: a lost label makes one series of several.
func (c *checker) counted(f Finding, above groupings, before, after []sample) {
	for _, n := range above.counts {
		was, is := c.folded(n, before), c.folded(n, after)
		f.Old, f.New = 0, 0
		for key := range was {
			if is[key] > 0 {
				f.Old, f.New = f.Old+was[key], f.New+is[key]
			}
		}
		if f.Old != f.New {
			f.about = n.op
			f.Text = fmt.Sprintf("takes the %s of %d old and of %d new series", n.op, f.Old, f.New)
			c.found = append(c.found, f)
		}
	}
}

// folded returns for each key the largest number of series in one group.
func (c *checker) folded(n count, samples []sample) map[string]int {
	groups := map[string]map[string]map[string]bool{} // key, group, series
	for _, s := range samples {
		key := s.key(c.ignored)
		if groups[key] == nil {
			groups[key] = map[string]map[string]bool{}
		}
		left := func(label string) bool { return !c.ignored.label(s.family, label) && !c.names(n.merged, label, s) }
		group := s.identity(func(label string) bool { return left(label) && c.names(n.grouping, label, s) != n.without })
		if groups[key][group] == nil {
			groups[key][group] = map[string]bool{}
		}
		groups[key][group][s.identity(left)] = true
	}
	most := map[string]int{}
	for key, of := range groups {
		for _, series := range of {
			most[key] = max(most[key], len(series))
		}
	}
	return most
}

// names reports whether list has the label of a sample.
func (c *checker) names(list []string, label string, s sample) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		_, there := s.labels[label]
		return there && c.ours(name, map[string]bool{label: true}) == label
	})
}
