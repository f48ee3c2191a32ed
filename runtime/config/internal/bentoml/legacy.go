package bentoml

import (
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// BentoML checks every file twice: against the layout of BentoML 1.1 and before,
// which has only api_server, runners, tracing and monitoring beside services, and
// against the current layout. The old layout has no effect on current services,
// but BentoML does not start with an error in it.

// legacySections are the keys at the top of the old layout.
var legacySections = []string{"api_server", "runners", "tracing", "monitoring"}

// apiServer and runner are the sections below api_server and runners.
var (
	apiServer = []string{"workers", "traffic", "backlog", "max_runner_connections", "metrics", "logging", "http", "grpc", "ssl", "runner_probe"}
	runner    = []string{"batching", "resources", "workers_per_resource", "logging", "metrics", "traffic"}
)

// newer lists keys that only the current layout has.
var newer = []string{"logging.access.skip_paths", "http.proxy_port", "traffic.concurrency", "traffic.external_queue"}

// renamed maps old names to those of the schema, as BentoML's migration does.
// "" is a key that it removes.
var renamed = map[string]string{ //nolint:gosec // keys, no credentials
	"api_server.max_request_size":                      "",
	"api_server.host":                                  "api_server.http.host",
	"api_server.port":                                  "api_server.http.port",
	"api_server.timeout":                               "api_server.traffic.timeout",
	"api_server.cors.enabled":                          "api_server.http.cors.enabled",
	"api_server.cors.access_control_allow_origin":      "api_server.http.cors.access_control_allow_origins",
	"api_server.cors.access_control_allow_credentials": "api_server.http.cors.access_control_allow_credentials",
	"api_server.cors.access_control_allow_headers":     "api_server.http.cors.access_control_allow_headers",
	"api_server.cors.access_control_allow_methods":     "api_server.http.cors.access_control_allow_methods",
	"api_server.cors.access_control_max_age":           "api_server.http.cors.access_control_max_age",
	"api_server.cors.access_control_expose_headers":    "api_server.http.cors.access_control_expose_headers",
	"api_server.http.cors.access_control_allow_origin": "api_server.http.cors.access_control_allow_origins",
	"runners.timeout":                                  "runners.traffic.timeout",
	"tracing.type":                                     "tracing.exporter_type",
	"tracing.zipkin.url":                               "tracing.zipkin.endpoint",
	"tracing.otlp.url":                                 "tracing.otlp.endpoint",
	"tracing.jaeger.address":                           "tracing.jaeger.thrift.agent_host_name",
	"tracing.jaeger.port":                              "tracing.jaeger.thrift.agent_port",
	"logging.formatting.trace_id_format":               "api_server.logging.access.format.trace_id",
	"logging.formatting.span_id_format":                "api_server.logging.access.format.span_id",
}

// legacy checks a key at the top that is neither version nor services.
func (l *lifter) legacy(e tree.Entry) {
	before := len(l.Problems)
	l.legacyKeys(e.Key, e.Where, e.Value)
	if len(l.Problems) == before {
		l.notice(e.Where, e.Key, "has no effect: BentoML reads it for services of BentoML 1.1 and before; set the keys below services")
	}
}

// legacyKeys checks every value below path. An empty mapping has none, and
// BentoML accepts it under any name.
func (l *lifter) legacyKeys(path string, where tree.Place, n *tree.Node) {
	if n.Kind == tree.Map {
		for _, e := range n.Entries {
			l.legacyKeys(join(path, e.Key), e.Where, e.Value)
		}
		return
	}
	current, old := renamed[path]
	switch {
	case !old:
		current = path
	case current == "":
		return
	}
	check := legacyRule(current)
	if check == nil {
		l.Problems = append(l.Problems, &tree.Problem{Where: where, Key: path,
			Text: notBentoML + meant(path, slices.Concat([]string{"services", "version"}, legacySections))})
		return
	}
	if want := check(n); want != "" {
		l.refuse(n, path, want)
	}
}

// legacyRule returns the rule of a key of the old layout, or nil if there is no
// such key.
func legacyRule(path string) rule {
	section, below, nested := strings.Cut(path, ".")
	switch {
	case !slices.Contains(legacySections, section):
		return nil
	case !nested:
		return mapping
	case section == "api_server":
		return sectionRule(below, apiServer)
	case section == "runners":
		return runnerRule(below)
	}
	return sharedRule(path)
}

func sectionRule(path string, sections []string) rule {
	section, _, _ := strings.Cut(path, ".")
	if !slices.Contains(sections, section) || slices.Contains(newer, path) {
		return nil
	}
	if path == "workers" {
		return nullOr(positiveInt)
	}
	return sharedRule(path)
}

// runnerRule returns the rule of a key below runners, or below a runner's name.
func runnerRule(path string) rule {
	section, below, nested := strings.Cut(path, ".")
	if !slices.Contains(runner, section) {
		if !nested {
			return mapping
		}
		if path = below; path == "timeout" {
			path = "traffic.timeout"
		}
		section, _, _ = strings.Cut(path, ".")
	}
	switch {
	case section == "resources":
		return anything
	case path == "workers_per_resource":
		return positive
	case strings.HasPrefix(path, "logging.access.format"), strings.HasPrefix(path, "metrics.duration"):
		return nil
	}
	return sectionRule(path, runner)
}

// sharedRule returns the rule of a key that the current layout has too.
func sharedRule(path string) rule {
	if k := find(path); k != nil {
		return k.rule
	}
	for _, table := range []string{"monitoring.options", "tracing.otlp.http.headers"} {
		if strings.HasPrefix(path, table+".") {
			return anything
		}
	}
	return nil
}

func anything(*tree.Node) string { return "" }
