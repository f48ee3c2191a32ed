package migrate

import (
	"slices"
	"strings"
)

// sourcesOf returns the kind of data source of each variable: inputs of an
// export, and variables in which a user picks a data source.
func sourcesOf(root *node) map[string]string {
	kinds := map[string]string{}
	for _, one := range root.list("__inputs") {
		kinds[one.str("name")] = one.str("pluginId")
	}
	for _, one := range root.list("templating", "list") {
		if one.str("type") == "datasource" {
			kinds[one.str("name")] = one.str("query")
		}
	}
	for _, one := range root.list("variables") {
		if one.str("kind") == "DatasourceVariable" {
			kinds[one.str("spec", "name")] = one.str("spec", "pluginId")
		}
	}
	return kinds
}

// kind returns the kind of a data source. "" is Grafana's default data source, or
// an unknown one.
func (d *dashboard) kind(source *node) string {
	name := source.str() + source.str("uid") // older dashboards have the first, newer ones the second
	if name == "-- Mixed --" {               // each target of the panel has its own
		return ""
	}
	if kind := source.str("type"); kind != "" {
		return kind
	}
	name = strings.Trim(name, "${}[]")
	if kind := d.sources[name]; kind != "" {
		return kind
	}
	return calledAfter(name)
}

// calledAfter returns the kind of data source in a name such as "Loki (EU)". A name
// that also contains "prom" may be a Prometheus server, for example that of Loki.
func calledAfter(name string) string {
	name = strings.ToLower(name)
	if strings.Contains(name, "prom") {
		return ""
	}
	for _, kind := range others {
		if strings.Contains(name, kind) {
			return kind
		}
	}
	return ""
}

// others are kinds of data sources whose queries are not PromQL.
var others = []string{"loki", "tempo", "elasticsearch", "influx", "cloudwatch", "jaeger", "postgres", "mysql", "graphite", "testdata"}

// isKnown reports whether a kind is one of others. The queries of an unknown kind may
// be PromQL.
func isKnown(kind string) bool {
	return slices.ContainsFunc(others, func(other string) bool { return strings.Contains(strings.ToLower(kind), other) })
}

// isPrometheus also accepts grafana-amazonprometheus-datasource,
// victoriametrics-datasource and victoriametrics-metrics-datasource, and the names of
// servers with Prometheus' API.
func isPrometheus(kind string) bool {
	kind = strings.ToLower(kind)
	return !strings.Contains(kind, "logs") && slices.ContainsFunc([]string{"prometheus", "victoriametrics", "mimir", "cortex", "thanos"}, func(server string) bool {
		return strings.Contains(kind, server)
	})
}

// foreign reports whether the queries of a data source are in another language
// than PromQL. Grafana's own expressions refer to other queries and are not foreign.
func foreign(kind string) bool {
	return kind != "" && !isPrometheus(kind) && !slices.Contains([]string{"__expr__", "datasource", "grafana"}, kind)
}
