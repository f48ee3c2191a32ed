package config

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// otelVariable is a standard variable of OpenTelemetry and the key that it
// sets.
type otelVariable struct {
	name  string // after OTEL_EXPORTER_OTLP_ and the signal
	key   string
	as    func(string) (string, string) // returns the value of the key, or an error text
	whole bool                          // name is the full name
}

// otelVariables lists the variables that set a key. otelSampler reads those of
// the sampler. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are read where
// the resource is made.
var otelVariables = []otelVariable{
	{name: "ENDPOINT", key: "endpoint", as: asEndpoint},
	{name: "PROTOCOL", key: "protocol", as: asOneOf("http/protobuf", "grpc")},
	{name: "HEADERS", key: "headers"},
	{name: "COMPRESSION", key: "compression", as: asOneOf("none", "gzip")},
	{name: "TIMEOUT", key: "timeout", as: asMilliseconds},
	{name: "CERTIFICATE", key: "tls.ca", as: asIs},
	{name: "CLIENT_CERTIFICATE", key: "tls.cert", as: asIs},
	{name: "CLIENT_KEY", key: "tls.key", as: asIs},
	{name: "INSECURE", key: "tls.insecure", as: asOneOf("true", "false")},
	{name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", key: "otlp.temporality", as: asOneOf("cumulative", "delta"), whole: true},
	{name: "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", key: "metrics.duration.native", as: asNative, whole: true},
	{name: "OTEL_METRIC_EXPORT_INTERVAL", key: "otlp.interval", as: asMilliseconds, whole: true},
	{name: "OTEL_LOGS_EXPORTER", key: "otlp.logs.enabled", as: asExporter, whole: true},
	{name: "OTEL_PROPAGATORS", key: "tracing.propagators", as: asPropagators, whole: true},
}

// The converters return the value of the key in YAML, or why the variable is ignored.
// asEndpoint does not print the value, which may hold a password.

func asIs(value string) (string, string) { return value, "" }

func asEndpoint(value string) (string, string) {
	return value, endpointProblem(value, false)
}

func asOneOf(known ...string) func(string) (string, string) {
	return func(value string) (string, string) {
		value = strings.ToLower(strings.TrimSpace(value))
		if !slices.Contains(known, value) {
			return "", "must be " + strings.Join(known, " or ") + ", found " + quote(value)
		}
		return value, ""
	}
}

func asMilliseconds(value string) (string, string) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || n <= 0 || n > 1e12 {
		return "", "must be a whole number of milliseconds greater than 0, found " + quote(value)
	}
	return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64), ""
}

func asNative(value string) (string, string) {
	value, problem := asOneOf("explicit_bucket_histogram", "base2_exponential_bucket_histogram")(value)
	return strconv.FormatBool(value == "base2_exponential_bucket_histogram"), problem
}

func asExporter(value string) (string, string) {
	value, problem := asOneOf("otlp", "none")(value)
	return strconv.FormatBool(value == "otlp"), problem
}

func asPropagators(value string) (string, string) {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "none" {
			return "[]", ""
		} else if !slices.Contains(propagators, name) {
			return "", "must list only " + strings.Join(propagators, ", ") + ", found " + quote(name)
		}
		names = append(names, name)
	}
	return strings.Join(names, ","), ""
}

// signals lists the prefixes of variables and keys: those of all signals, then
// those of one.
var signals = []struct{ variable, key string }{{"", "otlp."}, {"METRICS_", "otlp.metrics."}, {"TRACES_", "otlp.traces."}, {"LOGS_", "otlp.logs."}}

// readOTel reads OpenTelemetry's standard variables. As OpenTelemetry
// specifies, an invalid value is ignored with a warning, and an empty one is
// ignored.
func (l *loader) readOTel(environ []string) {
	l.standard = &tree.Node{Kind: tree.Map}
	for _, v := range otelVariables {
		if v.whole {
			l.otelVariable(l.standard, environ, v.name, v.key, v)
			continue
		}
		for _, signal := range signals {
			l.otelVariable(l.standard, environ, "OTEL_EXPORTER_OTLP_"+signal.variable+v.name, signal.key+v.key, v)
		}
	}
	l.otelSampler(l.standard, environ)
}

// otel merges the values of the standard variables for keys that nothing else
// gives.
func (l *loader) otel() {
	c := checker{}
	c.section(root(), nil, l.standard)
	l.problems = append(l.problems, c.problems...)
	values := slices.Clone(c.values)
	enabled := func(v placed) bool { return v.path[len(v.path)-1] == "enabled" }
	l.standardValues(slices.DeleteFunc(values, func(v placed) bool { return !enabled(v) })) // first: the endpoints need it
	l.standardValues(slices.DeleteFunc(c.values, enabled))
}

func (l *loader) standardValues(values []placed) {
	l.fail(l.m.merge(slices.DeleteFunc(values, func(v placed) bool {
		if l.m.places.give(v.path) || l.m.places.give(common(v.path)) {
			return true
		}
		enabled := l.m.unwanted(v.path)
		if enabled != "" {
			l.notice(v.where, strings.Join(v.path, "."), "has no effect, because "+enabled+" is false")
		}
		return enabled != ""
	})))
}

// common returns the path of the key for all signals if path is of one signal,
// else path.
func common(path []string) []string {
	if path[0] == "otlp" && slices.Contains([]string{"metrics", "traces", "logs"}, path[1]) {
		return append([]string{"otlp"}, path[2:]...)
	}
	return path
}

// unwanted returns the key that turns the pushes of a signal off if path is the
// signal's endpoint, else "". A signal's endpoint turns its pushes on, which a standard
// variable must not do.
func (m *merged) unwanted(path []string) string {
	if len(path) != 3 || path[0] != "otlp" || path[2] != "endpoint" {
		return ""
	}
	enabled := []string{"otlp", path[1], "enabled"}
	if path[1] != "logs" && m.k.Get(strings.Join(enabled, delim)) == nil {
		enabled = []string{"otlp", "enabled"}
	}
	if m.k.Bool(strings.Join(enabled, delim)) {
		return ""
	}
	return strings.Join(enabled, ".")
}

// give reports whether p has a place for the key at path. A header is given by its name
// in any case, by its file, or by a table that is null.
func (p places) give(path []string) bool {
	if _, given := p[strings.Join(path, ".")]; given {
		return true
	}
	last := len(path) - 1
	if path[last-1] != "headers" {
		return false
	}
	table, name := strings.Join(path[:last], "."), path[last]
	for given := range p {
		for _, of := range []string{table + ".", table + "_file."} {
			if other, below := strings.CutPrefix(given, of); below && strings.EqualFold(other, name) {
				return true
			}
		}
	}
	_, none := p[table]
	return none
}

func (l *loader) otelVariable(given *tree.Node, environ []string, name, key string, v otelVariable) {
	value, ok := variable(environ, name)
	if !ok || strings.TrimSpace(value) == "" {
		return
	}
	where := Place{Name: name}
	path, k := splitKey(key)
	if v.key == "headers" {
		l.otelHeaders(given, where, path, value)
		return
	}
	text, problem := v.as(value)
	if problem != "" {
		l.notice(where, key, "is ignored: "+problem)
		return
	}
	l.give(given, k, path, text, where)
}

// otelHeaders reads name=value,name=value with percent-encoding.
func (l *loader) otelHeaders(given *tree.Node, where Place, path []string, value string) {
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		name, err1 := url.PathUnescape(strings.TrimSpace(name))
		text, err2 := url.PathUnescape(strings.TrimSpace(text))
		if !ok || name == "" || err1 != nil || err2 != nil {
			l.notice(where, strings.Join(path, "."), "is ignored in part: must be name=value,name=value")
			continue
		}
		n := &tree.Node{Kind: tree.Scalar, Text: text, Value: text, Quoted: true}
		moved(n, where)
		given.Put(append(slices.Clone(path), name), n)
	}
}

// samplers maps the values of OTEL_TRACES_SAMPLER to our keys.
var samplers = map[string]struct {
	parentBased bool
	rate        string // "": OTEL_TRACES_SAMPLER_ARG
}{
	"always_on": {false, "1"}, "always_off": {false, "0"}, "traceidratio": {false, ""},
	"parentbased_always_on": {true, "1"}, "parentbased_always_off": {true, "0"}, "parentbased_traceidratio": {true, ""},
}

// otelSampler reads the share of traces that are recorded, and whether the
// caller decides.
func (l *loader) otelSampler(given *tree.Node, environ []string) {
	const name, arg, rateKey = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "tracing.sample_rate"
	value, _ := variable(environ, name)
	if value = strings.ToLower(strings.TrimSpace(value)); value == "" {
		return
	}
	sampler, known := samplers[value]
	if !known {
		names := slices.Sorted(maps.Keys(samplers))
		l.notice(Place{Name: name}, rateKey, "is ignored: must be "+strings.Join(names, " or ")+", found "+quote(value))
		return
	}
	put := func(key, text, from string) {
		path, k := splitKey(key)
		l.give(given, k, path, text, Place{Name: from})
	}
	put("tracing.parent_based", strconv.FormatBool(sampler.parentBased), name)
	if sampler.rate != "" {
		put(rateKey, sampler.rate, name)
		return
	}
	value, _ = variable(environ, arg)
	if value = strings.TrimSpace(value); value == "" {
		put(rateKey, "1", name) // OpenTelemetry's default
		return
	}
	if rate, err := strconv.ParseFloat(value, 64); err != nil || !(rate >= 0 && rate <= 1) {
		l.notice(Place{Name: arg}, rateKey, "is ignored and 1 is used: must be a number from 0 to 1, found "+quote(value))
		put(rateKey, "1", name)
		return
	}
	put(rateKey, value, arg)
}
