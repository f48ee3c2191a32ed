package migrate

import (
	"slices"
	"strings"
)

// sourcesOf are the kinds of the data sources that variables stand for: those an
// export asks for, and those a user picks.
func sourcesOf(root map[string]any) map[string]string {
	kinds := map[string]string{}
	for _, one := range listOf(root["__inputs"]) {
		kinds[textOf(one["name"])] = textOf(one["pluginId"])
	}
	for _, one := range listOf(mapOf(root["templating"])["list"]) {
		if textOf(one["type"]) == "datasource" {
			kinds[textOf(one["name"])] = textOf(one["query"])
		}
	}
	return kinds
}

// kind is what a node says that its data source is; "": it does not, and has the
// one that Grafana takes by default.
func (d *dashboard) kind(node map[string]any) string {
	source := mapOf(node["datasource"])
	name := textOf(node["datasource"]) + textOf(source["uid"]) // older dashboards have the one, newer ones the other
	if name == "-- Mixed --" {                                 // each target of the panel says its own
		return ""
	}
	if kind := textOf(source["type"]); kind != "" {
		return kind
	}
	name = strings.Trim(name, "${}[]")
	if kind := d.sources[name]; kind != "" {
		return kind
	}
	return calledAfter(name)
}

// calledAfter is the kind that a data source is called after, such as Loki (EU).
// One that is called after Prometheus, too, may be the Prometheus of the others.
func calledAfter(name string) string {
	name = strings.ToLower(name)
	if strings.Contains(name, "prom") {
		return ""
	}
	for _, kind := range []string{"loki", "tempo", "elasticsearch", "influx", "cloudwatch", "jaeger", "postgres", "mysql", "graphite", "testdata"} {
		if strings.Contains(name, kind) {
			return kind
		}
	}
	return ""
}

// isPrometheus takes grafana-amazonprometheus-datasource, and the like.
func isPrometheus(kind string) bool { return strings.Contains(kind, "prometheus") }

// foreign reports whether a data source has queries that nobody reads here. What
// Grafana computes by itself is of other queries.
func foreign(kind string) bool {
	return kind != "" && !isPrometheus(kind) && !slices.Contains([]string{"__expr__", "datasource", "grafana"}, kind)
}
