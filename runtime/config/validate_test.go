package config

import (
	"strings"
	"testing"
)

// The admin door needs an address of its own. An address that is for every host covers each.
func TestAdminAddress(t *testing.T) {
	for text, same := range map[string]bool{
		"admin: {port: 3000}":                                                 true, // 0.0.0.0 and 127.0.0.1
		"http: {host: 127.0.0.1}, admin: {port: 3000}":                        true,
		"http: {host: localhost}, admin: {port: 3000}":                        true,
		"http: {host: LOCALHOST}, admin: {port: 3000, host: localhost}":       true,
		"http: {host: '::1'}, admin: {port: 3000, host: '0:0:0:0:0:0:0:1'}":   true,
		"http: {host: 10.0.0.1}, admin: {port: 3000, host: ''}":               true,
		"http: {host: '::'}, admin: {port: 3000, host: 10.0.0.1}":             true,
		"http: {host: 10.0.0.1}, admin: {port: 3000, host: '::ffff:0.0.0.0'}": true,
		"http: {host: 10.0.0.1}, admin: {port: 3000}":                         false,
		"http: {host: '::1'}, admin: {port: 3000}":                            false,
		"http: {host: a.example}, admin: {port: 3000, host: b.example}":       false,
		"http: {socket: /run/app.sock}, admin: {port: 3000}":                  false,
		"http: {port: 0}, admin: {port: 0}":                                   false,
		"admin: {port: 3001}":                                                 false,
	} {
		_, err := load(t, "{"+strings.Replace(text, "admin: {", "admin: {enabled: true, ", 1)+"}")
		const want = "admin.port: must be another port than http.port, found 3000 for both"
		if (err != nil) != same || same && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

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
