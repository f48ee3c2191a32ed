package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// otelVariable is a standard variable of OpenTelemetry, and the key it sets.
type otelVariable struct {
	name  string // after OTEL_, of a signal's after OTEL_EXPORTER_OTLP_SIGNAL_
	key   string
	as    func(string) (string, string) // the value as the key has it, or what would be right
	whole bool                          // name is not of a signal's
}

// The variables that have a key. The others, OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES, are the resource's.
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
	{name: "OTEL_METRIC_EXPORT_INTERVAL", key: "otlp.interval", as: asMilliseconds, whole: true},
	{name: "OTEL_PROPAGATORS", key: "tracing.propagators", as: asPropagators, whole: true},
}

func asIs(value string) (string, string) { return value, "" }

func asEndpoint(value string) (string, string) {
	if !legalEndpoint.MatchString(value) {
		return "", "must be a URL such as http://localhost:4318"
	}
	return value, ""
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

func asPropagators(value string) (string, string) {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "none" {
			return "[]", ""
		} else if !slices.Contains(propagators, name) {
			return "", "must be of " + strings.Join(propagators, ", ") + ", found " + quote(name)
		}
		names = append(names, name)
	}
	return strings.Join(names, ","), ""
}

// otel lays OpenTelemetry's standard variables over what there is. As its
// specification has it, a value that makes no sense is told of and ignored, and
// an empty one is as good as none.
func (l *loader) otel(environ []string) {
	given := &tree.Node{Kind: tree.Map}
	for _, v := range otelVariables {
		if v.whole {
			l.otelVariable(given, environ, v.name, v.key, v)
			continue
		}
		for prefix, signal := range map[string]string{"": "otlp.", "METRICS_": "otlp.metrics.", "TRACES_": "otlp.traces."} {
			l.otelVariable(given, environ, "OTEL_EXPORTER_OTLP_"+prefix+v.name, signal+v.key, v)
		}
	}
	l.lay(given)
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
		l.notices = append(l.notices, Notice{Where: where, Key: key, Text: "is ignored: it " + problem})
		return
	}
	l.give(given, k, path, text, where)
}

// otelHeaders reads name=value,name=value, percent-encoded.
func (l *loader) otelHeaders(given *tree.Node, where Place, path []string, value string) {
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		name, err1 := url.PathUnescape(strings.TrimSpace(name))
		text, err2 := url.PathUnescape(strings.TrimSpace(text))
		if !ok || name == "" || err1 != nil || err2 != nil {
			l.notices = append(l.notices, Notice{Where: where, Key: strings.Join(path, "."), Text: "is ignored in part: it must be name=value,name=value"})
			continue
		}
		n := &tree.Node{Kind: tree.Scalar, Text: text, Value: text, Quoted: true}
		moved(n, where)
		given.Put(append(slices.Clone(path), name), n)
	}
}
