package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/prometheus/prometheus/promql/parser"
)

// adapterRule is a rule of prometheus-adapter. Its series query finds series, and
// its metrics query is a template that is filled in for each name among them.
type adapterRule struct {
	where                     string
	seriesQuery, metricsQuery string
	is, isNot                 []string // regular expressions for names
	matches, as               string   // how a metric is named after a series
	labels                    []string // that stand for Kubernetes resources
}

func (r *reader) adapterRule(n *node, p place) {
	r.done(n)
	query := n.get("seriesQuery")
	rule := &adapterRule{
		where: p.in("seriesQuery").at(query.line), seriesQuery: query.text, metricsQuery: n.str("metricsQuery"),
		matches: n.str("name", "matches"), as: n.str("name", "as"), labels: n.get("resources", "overrides").keys(),
	}
	for _, filter := range n.list("seriesFilters") {
		rule.is, rule.isNot = appendText(rule.is, filter.str("is")), appendText(rule.isNot, filter.str("isNot"))
	}
	r.add(Query{Where: rule.where, Text: rule.seriesQuery, adapter: rule})
	if rule.metricsQuery != "" {
		where := p.in("metricsQuery").at(n.get("metricsQuery").line)
		r.add(Query{Where: where, Text: rule.metricsQuery, expand: func(c checking) [][]Query { return alone(rule.queries(c, where)) }})
	}
}

// adapterResource reads the rule for CPU or memory, which has two templates.
func (r *reader) adapterResource(n *node, p place) {
	r.done(n)
	rule := adapterRule{labels: n.get("resources", "overrides").keys()}
	for _, name := range []string{"containerQuery", "nodeQuery"} {
		if text := n.str(name); text != "" {
			r.add(rule.filled(text, "", nil, p.in(name).at(n.get(name).line)))
		}
	}
}

func appendText(list []string, text string) []string {
	if text == "" {
		return list
	}
	return append(list, text)
}

// queries returns the metrics query for each name of a series.
func (a *adapterRule) queries(c checking, where string) []Query {
	names, err := a.names(c)
	if err != nil {
		return []Query{{Where: where, Text: a.metricsQuery, Unreadable: err.Error()}}
	}
	var all []Query
	for _, name := range names {
		all = append(all, a.filled(a.metricsQuery, name, nil, where))
	}
	if all == nil {
		all = []Query{{Where: where, Text: a.metricsQuery, Skip: "neither server has a series for it"}}
	}
	return all
}

// makes returns the queries by which the rule makes a metric.
func (a *adapterRule) makes(c checking, metric string, matchers []string) []Query {
	names, err := a.names(c)
	if err != nil {
		return nil // the rule's own queries report it
	}
	var all []Query
	for _, name := range names {
		if a.renamed(name) == metric {
			all = append(all, a.filled(oneOf(a.metricsQuery, "<<.Series>>{<<.LabelMatchers>>}"), name, matchers, a.where))
		}
	}
	return all
}

// names lists the names of series that the series query selects on either server.
func (a *adapterRule) names(c checking) ([]string, error) {
	for _, expr := range append(slices.Concat(a.is, a.isNot), a.matches) {
		if _, err := regexp.Compile(expr); err != nil {
			return nil, err
		}
	}
	expr, _, err := parse(a.seriesQuery)
	if err != nil {
		return nil, err
	}
	selector, ok := expr.(*parser.VectorSelector)
	if !ok {
		return nil, fmt.Errorf("seriesQuery must be a selector, found %s", a.seriesQuery)
	}
	one := checker{checking: c, exported: exportedLabels(expr)}
	name, rest := ofName(selector)
	before, after := one.named(c.before, name), one.named(c.after, name)
	of := one.labelsOf(before, after)
	var names []string
	for _, s := range matching(slices.Concat(before, after), func(s sample) bool { return one.selects(s, rest, of) && a.accepts(s.name) }) {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (a *adapterRule) accepts(name string) bool {
	matches := func(expr string) bool { return regexp.MustCompile(expr).MatchString(name) } // compiled before, in names
	return !slices.ContainsFunc(a.isNot, matches) && !slices.ContainsFunc(a.is, func(expr string) bool { return !matches(expr) })
}

// renamed returns the name of the metric for a series, as prometheus-adapter does.
func (a *adapterRule) renamed(series string) string {
	expr := regexp.MustCompile(oneOf(a.matches, ".*"))
	as := oneOf(a.as, map[bool]string{true: "$1", false: "$0"}[expr.NumSubexp() == 1])
	return string(expr.ExpandString(nil, as, series, expr.FindStringSubmatchIndex(series)))
}

// filled executes a template for the series of one name. The labels of Kubernetes
// resources may have any value.
func (a *adapterRule) filled(text, series string, matchers []string, where string) Query {
	labels := a.labels
	if len(labels) == 0 {
		labels = []string{"namespace", "pod"}
	}
	values := map[string]string{}
	for _, label := range labels {
		values[label] = anything
		matchers = append(matchers[:len(matchers):len(matchers)], label+`=~"`+anything+`"`)
	}
	data := map[string]any{
		"Series": series, "LabelMatchers": strings.Join(matchers, ","), "LabelValuesByName": values, "GroupBy": strings.Join(labels, ","), "GroupBySlice": labels,
	}
	var out strings.Builder
	parsed, err := template.New("query").Delims("<<", ">>").Option("missingkey=error").Parse(text)
	if err == nil {
		err = parsed.Execute(&out, data)
	}
	if err != nil {
		return Query{Where: where, Text: text, Unreadable: "must be a template of prometheus-adapter: " + err.Error()}
	}
	return Query{Where: where, Text: out.String()}
}
