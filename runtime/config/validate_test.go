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
