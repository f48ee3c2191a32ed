package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Dashboard returns the queries of a Grafana dashboard's JSON: those of its
// panels, rows and annotations, and of its variables. Grafana's own variables are
// replaced by what stands for anything. Queries of other data sources than
// Prometheus are to be skipped. name is what errors call the file.
func Dashboard(name string, content []byte) ([]Query, error) {
	var root map[string]any
	if err := json.Unmarshal(content, &root); err != nil {
		return nil, fmt.Errorf("%s: must be a dashboard's JSON: %w", name, err)
	}
	if inner, ok := root["dashboard"].(map[string]any); ok { // as the API gives it
		root = inner
	}
	d := dashboard{library: mapOf(root["__elements"]), sources: sourcesOf(root)}
	title := name
	if text := textOf(root["title"]); text != "" {
		title += " › " + text
	}
	d.panels(root, title)
	for _, one := range listOf(mapOf(root["annotations"])["list"]) {
		d.add(title+" › annotation "+textOf(one["name"]), one)
	}
	for _, one := range listOf(mapOf(root["templating"])["list"]) {
		if kind := textOf(one["type"]); kind == "query" {
			d.variable(title+" › variable "+textOf(one["name"]), one)
		}
	}
	if len(d.queries) == 0 {
		return nil, fmt.Errorf("%s: must have panels with Prometheus queries, found none", name)
	}
	return d.queries, nil
}

type dashboard struct {
	queries []Query
	library map[string]any    // panels that an export brings along, by uid
	sources map[string]string // kinds of data sources, by the variables that stand for them
}

// panels finds the panels below a dashboard, a row, or a row of the old kind.
func (d *dashboard) panels(node map[string]any, where string) {
	for _, key := range []string{"panels", "rows"} {
		for _, panel := range listOf(node[key]) {
			at := where
			if title := textOf(panel["title"]); title != "" {
				at += " › " + title
			}
			if from := mapOf(panel["libraryPanel"]); from != nil && panel["targets"] == nil {
				panel = mapOf(mapOf(d.library[textOf(from["uid"])])["model"])
				if panel == nil {
					d.queries = append(d.queries, Query{Where: at, Skip: "it is of a library, and the file has only its name"})
				}
			}
			d.targets(panel, at)
			d.panels(panel, at)
		}
	}
}

func (d *dashboard) targets(panel map[string]any, at string) {
	for _, target := range listOf(panel["targets"]) {
		if target["datasource"] == nil { // it has its panel's
			target = maps.Clone(target)
			target["datasource"] = panel["datasource"]
		}
		from := at
		if id := textOf(target["refId"]); id != "" {
			from += " (" + id + ")"
		}
		d.add(from, target)
	}
}

func (d *dashboard) add(where string, node map[string]any) {
	text := textOf(node["expr"])
	switch kind := d.kind(node); {
	case foreign(kind):
		d.queries = append(d.queries, Query{Where: where, Text: text, Skip: "its data source is " + kind})
	case kind == "" || isPrometheus(kind):
		if strings.TrimSpace(text) != "" {
			d.queries = append(d.queries, Query{Where: where, Text: withoutVariables(text)})
		}
	}
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func listOf(v any) []map[string]any {
	list, _ := v.([]any)
	var maps []map[string]any
	for _, one := range list {
		if m := mapOf(one); m != nil {
			maps = append(maps, m)
		}
	}
	return maps
}
