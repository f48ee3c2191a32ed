package config

import (
	"strings"
	"testing"
)

// Names and values that net/http would refuse at each request or push are
// errors at start.
func TestHeadersAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"otlp: {headers: {api-key: x}}":                              "",
		"otlp: {headers: {'api key': x}}":                            "otlp.headers.api key: must be a header",
		"otlp: {traces: {headers: {k: \"secret\\nx\"}}}":             "otlp.traces.headers.k: must be a header",
		"otlp: {metrics: {headers: {'': x}}}":                        "otlp.metrics.headers.: must be a header",
		"http: {cors: {access_control_allow_headers: ['X-A', '*']}}": "",
		"http: {cors: {access_control_allow_headers: 'X-A, X-B'}}":   `http.cors.access_control_allow_headers: must list names of letters, digits and hyphens, or "*", found "X-A, X-B"`,
		"http: {cors: {access_control_expose_headers: ['']}}":        `http.cors.access_control_expose_headers: must list names`,
		"http: {cors: {access_control_allow_methods: ['GET,POST']}}": `http.cors.access_control_allow_methods: must list names`,
	} {
		_, err := load(t, text)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), ":1: "+want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// skip_paths are compared with the start of a path, which is a slash.
func TestSkippedPathsAreChecked(t *testing.T) {
	for path, want := range map[string]string{
		"/metrics": "",
		"metrics":  "logging.access.skip_paths: must list paths that start with a slash, such as /metrics, found metrics",
		"''":       `logging.access.skip_paths: must list paths that start with a slash, such as /metrics, found ""`,
	} {
		_, err := load(t, "logging: {access: {skip_paths: [/livez, "+path+"]}}")
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), ":1: "+want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}
