package migrate

import "strings"

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
}

// dashboard reads the panels, rows, annotations and variables of the first schema.
func (r *reader) dashboard(n *node, p place) {
	d := dashboard{r, n.get("__elements"), sourcesOf(n), variablesOf(n)}
	p = p.in(n.str("title"))
	d.targets(n, p)
	d.panels(n, p)
	for _, one := range n.list("annotations", "list") {
		d.target(p.in("annotation "+one.str("name")).at(0), one.str("expr"), d.kind(one.get("datasource")))
	}
	for _, one := range n.list("templating", "list") {
		if one.str("type") == "query" {
			d.variable(p.in("variable "+one.str("name")).at(0), oneOf(one.str("query"), one.str("query", "query"), one.str("definition")), d.kind(one.get("datasource")))
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
		d.target(where.at(0), target.str("expr"), d.kind(source))
	}
}

func refID(target *node) string {
	if id := target.str("refId"); id != "" {
		return " (" + id + ")"
	}
	return ""
}

func (d *dashboard) target(where, text, kind string) {
	switch {
	case foreign(kind):
		d.add(Query{Where: where, Text: text, Skip: "its data source is " + kind})
	case (kind == "" || isPrometheus(kind)) && strings.TrimSpace(text) != "":
		d.add(Query{Where: where, Text: text, variables: &d.variables})
	}
}

// variable reads the query of a dashboard's variable: label_values(selector,
// label) or query_result(query).
func (d *dashboard) variable(where, text, kind string) {
	text = strings.TrimSpace(text)
	q := Query{Where: where, Text: text, variables: &d.variables}
	function, rest, _ := strings.Cut(text, "(")
	inside, closed := strings.CutSuffix(rest, ")")
	comma := strings.LastIndex(inside, ",")
	switch function = strings.TrimSpace(function); {
	case foreign(kind):
		q.Skip = "its data source is " + kind
	case text == "":
		return
	case !closed:
		q.Skip = "it is neither label_values nor query_result"
	case function == "label_values" && comma >= 0:
		q.Text, q.Label = inside[:comma], strings.TrimSpace(inside[comma+1:])
	case function == "label_values":
		q.Skip = "it asks for a label of all metrics"
	case function == "query_result":
		q.Text = inside
	case function == "metrics", function == "label_names":
		q.Skip = "it asks for names, not for series"
	default:
		q.Skip = "it is neither label_values nor query_result"
	}
	d.add(q)
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
