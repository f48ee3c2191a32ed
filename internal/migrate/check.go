package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// checking is the state that all queries of a report share.
type checking struct {
	before, after *Metrics
	known         map[string]bool // names that recording rules make
	emptied       map[string]bool // recorded series that the new metrics no longer make
	strays        map[string]bool
	ignored       patterns
	used          map[string]bool // patterns that keep a finding from counting
	adapter       []*adapterRule
	objects       map[string]bool // ScaledObjects of KEDA
}

// check evaluates the selectors of a query against both metrics. Labels that a
// scraper adds, such as job and instance, are not in the metrics and match
// anything. Where an operator adds its own label endpoint, exported_endpoint is
// the label endpoint of the service.
func (c checking) check(q Query) []Finding {
	var all []Finding
	seen := map[string]bool{}
	for _, group := range q.readings(c) {
		for i, reading := range group {
			found := c.checkReading(reading)
			for _, f := range found {
				if i > 0 && f.Because != "" { // the first reading says the same of more series
					continue
				}
				key := strings.Join(append([]string{f.Selector, f.Text, f.Because}, f.Lost...), "\x00")
				if !seen[key] {
					all = append(all, f)
				}
				seen[key] = true
			}
			if counts(found) {
				break // the special cases find nothing else
			}
		}
	}
	return all
}

func (c checking) checkReading(q Query) []Finding {
	whole := Finding{Where: q.Where, Query: shownQuery(q.Text)}
	switch {
	case q.unread:
		if name := c.mentioned(q.Text); name != "" {
			whole.Text, whole.Unchecked = "names "+name+" in a field that is not read", true
			return []Finding{whole}
		}
		return nil
	case q.Skip != "":
		whole.Text, whole.Because = "is not checked", q.Skip
		if name := c.mentioned(q.Text); q.doubtful && name != "" {
			whole.Text, whole.Because, whole.Unchecked = "names "+name+" and is not read: "+q.Skip, "", true
		}
		if one := (&checker{checking: c}); one.labelsOf(c.before.samples)[q.Label] && !one.labelsOf(c.after.samples)[q.Label] {
			whole.Text, whole.Because = onlyOld(q.Label), ""
		}
		return []Finding{whole}
	case q.Unreadable != "":
		whole.Text, whole.Unchecked = q.Unreadable, true
		return []Finding{whole}
	}
	expr, metric, err := parse(q.Text)
	if metric {
		err = fmt.Errorf("the file has no value for %s", strings.Join(unique(q.operands), ", "))
	}
	if err != nil {
		whole.Text, whole.Unchecked = shownQuery(err.Error()), true
		return []Finding{whole}
	}
	if strings.Contains(q.Text, "{{") {
		whole.Text, whole.Unchecked = "has a template in {{ }}, whose value is not known", true
		return []Finding{whole}
	}
	if err := q.filter(expr); err != nil {
		whole.Text, whole.Unchecked = err.Error(), true
		return []Finding{whole}
	}
	one := checker{checking: c, q: q, exported: exportedLabels(expr)}
	one.walk(expr, groupings{})
	return one.found
}

type checker struct {
	checking
	q        Query
	exported map[string]bool
	found    []Finding
}

// walk visits the selectors below a node. above describes the expressions around it.
func (c *checker) walk(node parser.Node, above groupings) {
	switch n := node.(type) {
	case *parser.VectorSelector:
		c.judge(func(c *checker) { c.selector(n, above) })
	case *parser.AggregateExpr:
		above = above.inside(n)
	case *parser.BinaryExpr:
		left, right := above.sides(n.VectorMatching)
		c.walk(n.LHS, left)
		c.walk(n.RHS, right)
		return
	case *parser.Call:
		above = above.with(sources(n)...)
	case *parser.ParenExpr: // changes nothing
	default:
		above = above.with()
	}
	for child := range parser.ChildrenIter(node) {
		c.walk(child, above)
	}
}

func (c *checker) selector(v *parser.VectorSelector, above groupings) {
	finding := Finding{Where: c.q.Where, Query: shownQuery(c.q.Text), Selector: shownQuery(v.String())}
	name, rest := ofName(v)
	if made := c.recorded(name); made != "" {
		if c.emptied[made] {
			finding.Text = "reads " + made + ", which goes empty"
			c.found = append(c.found, finding)
		}
		return
	}
	before, after := c.named(c.before, name), c.named(c.after, name)
	if because := c.added(before, after); because != "" {
		finding.Text, finding.Because, finding.New = "selects no old series", because, len(after)
		c.found = append(c.found, finding)
		return
	}
	of := c.labelsOf(before, after)
	selects := func(s sample) bool { return c.selects(s, rest, of) }
	was, is := matching(before, selects), matching(after, selects)
	c.counted(finding, above, was, is) // before strays are removed from them
	c.series(finding, was, is, selects)
	c.grouped(finding, above, before, after)
}

// added returns why a metric that the old server does not have is no difference.
func (c *checker) added(before, after []sample) string {
	switch {
	case len(before) > 0:
		return ""
	case len(after) > 0:
		return "only the new server has this metric"
	}
	return "neither server has this metric"
}

// ofName separates the matchers of the name from the others.
func ofName(v *parser.VectorSelector) (name, rest []*labels.Matcher) {
	for _, m := range v.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			name = append(name, m)
		} else {
			rest = append(rest, m)
		}
	}
	return name, rest
}

// recorded returns the name if a recording rule makes the series.
func (c *checker) recorded(name []*labels.Matcher) string {
	for _, m := range name {
		if m.Type == labels.MatchEqual && c.known[m.Value] {
			return m.Value
		}
	}
	return ""
}

// series compares the selected series.
func (c *checker) series(f Finding, before, after []sample, selects func(sample) bool) {
	f.Old, f.New = len(before), len(after)
	before, after = c.followed(before, after, selects)
	f.Lost = c.only(before, after)
	nonzero := func(s sample) bool { return s.value != 0 } // a new series of 0 changes no sum
	f.Gained = c.only(matching(after, nonzero), before)
	if len(f.Lost)+len(f.Gained) == 0 {
		return
	}
	f.Text = fmt.Sprintf("selects %d old and %d new series", f.Old, f.New)
	if f.New == 0 {
		f.Text = "goes empty: " + f.Text
	}
	if slices.ContainsFunc(before, func(s sample) bool { return c.strays[s.labels["endpoint"]] }) {
		f.Text += "; the new server counts paths without a route as endpoint=\"" + unmatched + "\""
	}
	c.found = append(c.found, f)
}

// grouped finds labels by which old series can be grouped and new ones cannot.
func (c *checker) grouped(f Finding, above groupings, before, after []sample) {
	was, is := c.labelsOf(before), c.labelsOf(after)
	for _, label := range append(slices.Clone(above.labels), c.q.Label) {
		if label = c.ours(label, was); label != "" && was[label] && !is[label] && len(after) > 0 {
			f.about = "label " + label
			f.Text = onlyOld(label)
			c.found = append(c.found, f)
		}
	}
}

func onlyOld(label string) string {
	return fmt.Sprintf("uses the label %s, which only old series have", label)
}

// ours returns the service's label that a query calls label, "" if the scraper adds it.
func (c *checker) ours(label string, of map[string]bool) string {
	if of[label] && !c.exported[label] {
		return label
	}
	if inner, ok := strings.CutPrefix(label, "exported_"); ok && of[inner] {
		return inner
	}
	return ""
}

func (c *checker) selects(s sample, matchers []*labels.Matcher, of map[string]bool) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool {
		label := c.ours(m.Name, of)
		return label != "" && !strings.Contains(m.Value, anything) && !m.Matches(s.labels[label])
	})
}

func matching(samples []sample, selects func(sample) bool) []sample {
	var selected []sample
	for _, s := range samples {
		if selects(s) {
			selected = append(selected, s)
		}
	}
	return selected
}

func (c *checker) named(m *Metrics, matchers []*labels.Matcher) []sample {
	return matching(m.samples, func(s sample) bool {
		return !c.ignored.family(s.family) && !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.name) })
	})
}

func (c *checker) labelsOf(lists ...[]sample) map[string]bool {
	set := map[string]bool{}
	for _, samples := range lists {
		for _, s := range samples {
			for label := range s.labels {
				if !c.ignored.label(s.family, label) {
					set[label] = true
				}
			}
		}
	}
	return set
}

// only lists the series that others does not have, with all their labels.
func (c *checker) only(samples, others []sample) []string {
	keys := map[string]bool{}
	for _, s := range others {
		keys[s.key(c.ignored)] = true
	}
	var list []string
	for _, s := range samples {
		if !keys[s.key(c.ignored)] {
			list = append(list, s.String())
		}
	}
	slices.Sort(list)
	return list
}
