package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Query is one that somebody asks, and where it stands.
type Query struct {
	Where string // file › dashboard › panel, or file › namespace › group › rule
	Text  string
	// Label is asked for besides, of what Text selects, as a dashboard's
	// label_values(selector, label) does. "": none is.
	Label string
	// Record is the series that a recording rule makes of it. "": it is none's.
	Record string
	// Skip says why it is not to be looked at. "": it is.
	Skip string
}

// Finding is what a query would notice.
type Finding struct {
	Where    string   `json:"where"`
	Query    string   `json:"query"`
	Selector string   `json:"selector,omitempty"`
	Text     string   `json:"text"`
	Old      int      `json:"old"` // series that it selects on the old page
	New      int      `json:"new"`
	Lost     []string `json:"lost,omitempty"`
	Gained   []string `json:"gained,omitempty"`
	// Because says why it does not count. "": it counts, or could not be checked.
	Because string `json:"because,omitempty"`
	// Unchecked says that the query cannot be read, so that nobody knows what it
	// would notice.
	Unchecked bool `json:"unchecked,omitempty"`

	about string // the same for findings of one selector that only other pages set apart
}

func (f Finding) counts() bool { return f.Because == "" && !f.Unchecked }

// What a dashboard's variables are replaced by: anything is a label or a label's
// value that nobody knows before somebody looks, operand is a number or a metric,
// operator is between two, and function takes series.
const (
	anything = "ekiben_anything"
	operand  = "ekiben_operand"
	operator = "ekiben_operator"
	function = "ekiben_function"
)

// Check asks a query's selectors of both pages. What the scraper adds to a
// series, such as job and instance, is not on a page, and is left out; where an
// operator's own label hides one of ours, exported_endpoint is endpoint. known
// are names that recording rules make.
func Check(q Query, before, after *Page, known map[string]bool) []Finding {
	return checking{before: before, after: after, known: known, strays: before.strays(after)}.check(q)
}

// checking is what is the same for all queries.
type checking struct {
	before, after *Page
	known         map[string]bool
	emptied       map[string]bool // of the known, those that the new page makes none of
	strays        map[string]bool
	ignored       patterns
	used          map[string]bool // patterns that a finding does not count by
}

func (c checking) check(q Query) []Finding {
	if q.Skip != "" {
		return []Finding{{Where: q.Where, Query: shownQuery(q.Text), Text: "is not looked at", Because: q.Skip}}
	}
	expr, err := parse(q.Text)
	if err != nil {
		return []Finding{{Where: q.Where, Query: shownQuery(q.Text), Text: "must be PromQL: " + shownQuery(err.Error()), Unchecked: true}}
	}
	one := checker{checking: c, q: q, exported: exportedLabels(expr)}
	one.walk(expr, groupings{})
	if selectors := parser.ExtractSelectors(expr); len(selectors) == 0 && strings.Contains(q.Text, operand) { // it was taken for a number
		return []Finding{{Where: q.Where, Query: shownQuery(q.Text), Text: "is not looked at", Because: "all that it asks for is variables"}}
	}
	return one.found
}

// shownQuery is a query as its author would know it again.
func shownQuery(text string) string {
	return strings.NewReplacer(anything+`="`+anything+`"`, "$…", anything, "$…", operand, "$…", operator, "$…", function, "$…").Replace(text)
}

// parse reads a query, with what its variables may be.
func parse(text string) (parser.Expr, error) {
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	var first error
	for candidate := range candidates(text) {
		expr, err := p.ParseExpr(candidate)
		if err == nil {
			return expr, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, message(first)
}

func message(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimSpace(err.Error()))
}

// exportedLabels are those of a query that begin with exported_, without that.
func exportedLabels(expr parser.Expr) map[string]bool {
	hidden := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		for _, name := range namedBy(node) {
			if label, ok := strings.CutPrefix(name, "exported_"); ok {
				hidden[label] = true
			}
		}
		return nil
	})
	return hidden
}

type checker struct {
	checking
	q        Query
	exported map[string]bool
	found    []Finding
}

// walk visits the selectors below a node, with what is above them.
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
	case *parser.ParenExpr: // is what is in it
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
	if isVariable(name) {
		finding.Text, finding.Because = "is not looked at", "its metric is a variable"
		c.found = append(c.found, finding)
		return
	}
	if made := c.recorded(name); made != "" {
		if c.emptied[made] {
			finding.Text = "reads " + made + ", which goes empty"
			c.found = append(c.found, finding)
		}
		return
	}
	before, after := c.named(c.before, name), c.named(c.after, name)
	if len(before)+len(after) == 0 {
		finding.Text, finding.Because = "selects nothing on either page", "neither page has it"
		c.found = append(c.found, finding)
		return
	}
	of := c.labelsOf(before, after)
	selects := func(s sample) bool { return c.selects(s, rest, of) }
	was, is := matching(before, selects), matching(after, selects)
	c.counted(finding, above, was, is) // before the strays are cut out of them
	c.series(finding, was, is, selects)
	c.grouped(finding, above, before, after)
}

// ofName sets the matchers of the name apart.
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

func isVariable(name []*labels.Matcher) bool {
	return slices.ContainsFunc(name, func(m *labels.Matcher) bool { return strings.Contains(m.Value, anything) })
}

// recorded is the name, if a recording rule makes it.
func (c *checker) recorded(name []*labels.Matcher) string {
	for _, m := range name {
		if m.Type == labels.MatchEqual && c.known[m.Value] {
			return m.Value
		}
	}
	return ""
}

// series compares what is selected.
func (c *checker) series(f Finding, before, after []sample, selects func(sample) bool) {
	f.Old, f.New = len(before), len(after)
	before, after = c.followed(before, after, selects)
	f.Lost = c.only(before, after)
	nonzero := func(s sample) bool { return s.value != 0 } // one that is 0 from the start changes no sum
	f.Gained = c.only(matching(after, nonzero), before)
	if len(f.Lost)+len(f.Gained) == 0 {
		return
	}
	f.Text = fmt.Sprintf("selects %d series on the old page and %d on the new", f.Old, f.New)
	if f.New == 0 {
		f.Text = "goes empty: " + f.Text
	}
	if slices.ContainsFunc(before, func(s sample) bool { return c.strays[s.labels["endpoint"]] }) {
		f.Text += ", where paths without a route are endpoint=\"" + unmatched + "\""
	}
	c.found = append(c.found, f)
}

// grouped looks for labels by which the old page's series can be grouped and the
// new one's cannot.
func (c *checker) grouped(f Finding, above groupings, before, after []sample) {
	was, is := c.labelsOf(before), c.labelsOf(after)
	for _, label := range append(slices.Clone(above.labels), c.q.Label) {
		if label = c.ours(label, was); label != "" && was[label] && !is[label] && len(after) > 0 {
			f.about = "label " + label
			f.Text = fmt.Sprintf("asks for the label %s, which only the old page has", label)
			c.found = append(c.found, f)
		}
	}
}

// ours is a label as the page calls it; "": it is the scraper's.
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

func (c *checker) named(p *Page, matchers []*labels.Matcher) []sample {
	var found []sample
	for _, s := range p.samples {
		if !c.ignored.family(s.family) && !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.name) }) {
			found = append(found, s)
		}
	}
	return found
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

// only lists the series that are not among others, as they stand on their page:
// what makes no difference here tells a reader which they are.
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
