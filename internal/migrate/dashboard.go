package migrate

import (
	"fmt"
	"strings"
)

// isDashboard reports whether n is a dashboard or a panel of Grafana's first
// schema.
func isDashboard(n *node) bool {
	for _, path := range [][]string{{"panels"}, {"rows"}, {"targets"}, {"templating", "list"}, {"annotations", "list"}} {
		if n.list(path...) != nil {
			return true
		}
	}
	return false
}

// dashboard collects the queries of one dashboard.
type dashboard struct {
	*reader
	library   *node             // panels that an export has with it, by uid
	sources   map[string]string // kinds of data sources, by variable
	variables variables
	filters   filters
}

// dashboard reads the panels, rows, annotations and variables of the first schema.
func (r *reader) dashboard(n *node, p place) {
	d := dashboard{reader: r, library: n.get("__elements"), sources: sourcesOf(n), variables: variablesOf(n)}
	for _, one := range n.list("templating", "list") {
		if one.str("type") == "adhoc" && !foreign(d.kind(one.get("datasource"))) {
			d.filters.add(one)
		}
	}
	p = p.in(n.str("title"))
	d.targets(n, p)
	d.panels(n, p)
	for _, one := range n.list("annotations", "list") {
		d.target(p.in("annotation "+one.str("name")).at(0), one, oneOf(one.str("expr"), one.str("target", "expr")), d.kind(one.get("datasource")))
	}
	for _, one := range n.list("templating", "list") {
		if one.str("type") != "query" {
			d.done(one) // variablesOf reads its values
		} else {
			d.variable(p.in("variable "+one.str("name")).at(0), one, oneOf(asked(one.get("query")), one.str("definition")), d.kind(one.get("datasource")))
		}
	}
}

// panels reads the panels of a dashboard or a row, also of a row of Grafana 4.
func (d *dashboard) panels(n *node, p place) {
	for _, panel := range append(n.list("panels"), n.list("rows")...) {
		at := p.in(panel.str("title"))
		if from := panel.get("libraryPanel"); from != nil && panel.get("targets") == nil {
			if panel = d.library.get(from.str("uid"), "model"); panel == nil {
				d.add(Query{Where: at.at(0), Unreadable: inLibrary})
			}
		}
		d.targets(panel, at)
		d.panels(panel, at)
	}
}

const inLibrary = "the file has only the name of this library panel; export the dashboard with its library panels"

func (d *dashboard) targets(panel *node, p place) {
	for _, target := range panel.list("targets") {
		source := target.get("datasource")
		if source == nil {
			source = panel.get("datasource")
		}
		where := p
		where.path += refID(target)
		d.target(where.at(0), target, target.str("expr"), d.kind(source))
	}
}

func refID(target *node) string {
	if id := target.str("refId"); id != "" {
		return " (" + id + ")"
	}
	return ""
}

// target reads the query text of n, a target or an annotation.
func (d *dashboard) target(where string, n *node, text, kind string) {
	switch {
	case kind == "__expr__": // refers to other queries
		d.done(n)
	case foreign(kind):
		d.done(n)
		d.add(Query{Where: where, Text: text, Skip: "its data source is " + kind, doubtful: !isKnown(kind)})
	case (kind == "" || isPrometheus(kind)) && strings.TrimSpace(text) != "":
		d.done(n)
		d.add(Query{Where: where, Text: text, variables: &d.variables, filters: d.filters})
	}
}

// asked returns the query of a variable in the form label_values(…), query_result(…)
// or a selector. The editor of variables can keep it as separate fields.
func asked(n *node) string {
	var matchers []string
	for _, one := range n.list("labelFilters") {
		if op := one.str("op"); one.str("label") != "" {
			matchers = append(matchers, fmt.Sprintf("%s%s%q", one.str("label"), oneOf(op, "="), one.str("value")))
		}
	}
	selector := n.str("metric")
	if matchers != nil {
		selector += "{" + strings.Join(matchers, ",") + "}"
	}
	built := ""
	if label := n.str("label"); label != "" && selector != "" {
		built = "label_values(" + selector + ", " + label + ")"
	}
	if result := n.str("varQuery"); result != "" {
		built = oneOf(built, "query_result("+result+")")
	}
	return oneOf(n.str(), n.str("query"), n.str("__legacyStringValue"), n.str("query", "query"), built, n.str("seriesQuery"), n.str("classicQuery"), n.str("expr"))
}

// variable reads the query text of n, a dashboard's variable: label_values(selector,
// label), query_result(query), or a selector alone.
func (d *dashboard) variable(where string, n *node, text, kind string) {
	text = strings.TrimSpace(text)
	if text != "" {
		d.done(n)
	}
	q := Query{Where: where, Text: text, variables: &d.variables}
	function, rest, _ := strings.Cut(text, "(")
	inside, closed := strings.CutSuffix(rest, ")")
	comma := strings.LastIndex(inside, ",")
	switch function = strings.TrimSpace(function); {
	case foreign(kind):
		q.Skip, q.doubtful = "its data source is "+kind, !isKnown(kind)
	case text == "":
		return
	case function == "label_values" && closed && comma >= 0:
		q.Text, q.Label = inside[:comma], strings.TrimSpace(inside[comma+1:])
	case function == "label_values" && closed:
		q.Label, q.Skip = strings.TrimSpace(inside), "it asks for a label of all metrics"
	case function == "query_result" && closed:
		q.Text = inside
	case (function == "metrics" || function == "label_names") && closed:
		q.Skip = "it asks for names, not for series"
	case !isSelector(text):
		q.Skip, q.doubtful = "it is neither label_values nor query_result, nor a selector", true
	}
	d.add(q)
}

// isSelector reports whether text is PromQL, of which a variable asks for the series.
func isSelector(text string) bool {
	r := replacer{text: text, uses: map[string]bool{}}
	_, _, err := parse(r.all())
	return err == nil
}

// dashboardResource reads the resource of the Grafana operator.
func (r *reader) dashboardResource(n *node, p place) {
	p = p.in(n.str("metadata", "name"))
	for _, field := range []string{"json", "gzipJson"} {
		if text := n.get("spec", field); text != nil {
			r.embedded(text, p, true)
			return
		}
	}
	r.add(Query{Where: p.at(n.line), Unreadable: "must have spec.json or spec.gzipJson; a dashboard behind a URL or in another object is not read"})
}

func oneOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
