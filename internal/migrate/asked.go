package migrate

import "strings"

// variable reads the functions that Grafana has for variables. What asks for no
// series is listed.
func (d *dashboard) variable(where string, node map[string]any) {
	text := textOf(node["query"])
	if text == "" {
		text = textOf(mapOf(node["query"])["query"])
	}
	text = strings.TrimSpace(text)
	q := Query{Where: where, Text: text}
	function, rest, found := strings.Cut(text, "(")
	inside, closed := strings.CutSuffix(rest, ")")
	if !found || !closed {
		function = ""
	}
	comma := strings.LastIndex(inside, ",")
	switch kind := d.kind(node); {
	case foreign(kind):
		q.Skip = "its data source is " + kind
	case text == "":
		return
	default:
		switch function = strings.TrimSpace(function); {
		case function == "label_values" && comma >= 0:
			q.Text, q.Label = withoutVariables(inside[:comma]), strings.TrimSpace(inside[comma+1:])
		case function == "label_values":
			q.Skip = "it asks for a label of all metrics"
		case function == "query_result":
			q.Text = withoutVariables(inside)
		case function == "metrics", function == "label_names":
			q.Skip = "it asks for names, and for no series"
		default:
			q.Skip = "it is neither label_values nor query_result"
		}
	}
	d.queries = append(d.queries, q)
}
