package migrate

import "strings"

// isElements reports whether n is spec.elements of Grafana's second schema.
func isElements(n *node) bool {
	for _, name := range n.keys() {
		if kind := n.str(name, "kind"); kind == "Panel" || kind == "LibraryPanel" {
			return true
		}
	}
	return false
}

// dashboardV2 reads the spec of a dashboard of Grafana's second schema.
func (r *reader) dashboardV2(n *node, p place) {
	d := dashboard{reader: r, sources: sourcesOf(n), variables: variablesOf(n)}
	for _, one := range n.list("variables") {
		if one.str("kind") == "AdhocVariable" && !foreign(oneOf(one.str("group"), d.kind(one.get("spec", "datasource")))) {
			d.filters.add(one.get("spec"))
		}
	}
	p = p.in(n.str("title"))
	for _, name := range n.get("elements").keys() {
		element := n.get("elements", name)
		at := p.in(element.str("spec", "title"))
		if element.str("kind") == "LibraryPanel" {
			d.add(Query{Where: at.at(0), Unreadable: inLibrary})
		}
		for _, one := range element.list("spec", "data", "spec", "queries") {
			where := at
			where.path += refID(one.get("spec"))
			d.target(where.at(0), one, one.str("spec", "query", "spec", "expr"), d.kindV2(one.get("spec")))
		}
	}
	for _, one := range n.list("annotations") {
		d.target(p.in("annotation "+one.str("spec", "name")).at(0), one, one.str("spec", "query", "spec", "expr"), d.kindV2(one.get("spec")))
	}
	for _, one := range n.list("variables") {
		if spec := one.get("spec"); one.str("kind") != "QueryVariable" {
			d.done(one) // variablesOf reads its values
		} else {
			text := oneOf(asked(spec.get("query", "spec")), spec.str("definition"), spec.str("query"))
			d.variable(p.in("variable "+spec.str("name")).at(0), one, text, d.kindV2(spec))
		}
	}
}

// kindV2 returns the kind of data source of a query. v2alpha1 has it in
// query.kind, v2beta1 in query.group.
func (d *dashboard) kindV2(n *node) string {
	query := n.get("query")
	if kind := oneOf(query.str("group"), strings.TrimPrefix(query.str("kind"), "DataQuery")); kind != "" {
		return kind
	}
	return oneOf(d.kind(n.get("datasource")), d.kind(query.get("datasource", "name")))
}
