package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A setting that cannot do what its writer expects gives a notice with its key and
// place.
func TestNotices(t *testing.T) {
	const origins = "access_control_allow_origins: '*'"
	for text, want := range map[string][]string{
		"http: {port: 1}":           nil,
		"metrics: {namespace: a-b}": {"metrics.namespace: metrics begin with a_b_, "},
		"logging: {access: {skip_paths: [/livez, metrics, '']}}": {
			"logging.access.skip_paths: has metrics, with which no path begins: write /metrics",
			`logging.access.skip_paths: has "", with which every path begins: no request is logged`,
		},

		"http: {cors: {enabled: true, " + origins + "}}":                                       {"http.cors.access_control_allow_methods: has no POST, "},
		"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: [post]}}": {"http.cors.access_control_allow_methods: has no POST, "},
		"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: POST}}":   nil,
		"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: '*'}}":    nil,
		"http: {cors: {" + origins + "}}":                                                      nil,

		"http: {response: {trace_id: true}}": {"http.response.trace_id: has no effect, because tracing.enabled is false"},
		"ssl: {certfile: a, keyfile: b}":     {"ssl.certfile: has no effect, because ssl.enabled is false", "ssl.keyfile: has no effect, "},
		"ssl: {ca_certs: a}":                 {"ssl.ca_certs: has no effect, "},
		"ssl: {certfile: a, enabled: true}":  nil,

		"tracing: {enabled: true, sample_rate: 1}":                                                    {"tracing.enabled: spans are pushed nowhere; "},
		"tracing: {enabled: true}\notlp: {enabled: true}":                                             {"tracing.sample_rate: is 0: only traces that the caller records are recorded; to record all traces, set it to 1"},
		"tracing: {enabled: true, parent_based: false}\notlp: {traces: {endpoint: 'http://c'}}":       {"tracing.sample_rate: is 0: no trace is recorded; "},
		"tracing: {enabled: true, trust_incoming: false}\notlp: {traces: {endpoint: 'http://c'}}":     {"tracing.sample_rate: is 0: no trace is recorded; "},
		"tracing: {enabled: true, sample_rate: 0.1}\notlp: {enabled: true, traces: {enabled: false}}": {"tracing.enabled: spans are pushed nowhere; "},
		"otlp: {enabled: true}": nil,

		"batching: {policy: window}":                                                {"batching.policy: is window, and window_ms is not given: "},
		"batching: {policy: window, window_ms: 0}":                                  nil,
		"batching: {policy: window, enabled: false}":                                nil,
		"services: {Front: {batching: {policy: window}}}":                           {"services.Front.batching.policy: is window, "},
		"services: {Front: {batching: {policy: window, window_ms: 1}}}":             nil,
		"batching: {window_ms: 1}\nservices: {Front: {batching: {policy: window}}}": nil,
		"batching: {policy: window}\nservices: {Front: {workers: 2}}":               {"batching.policy: is window, "},
	} {
		loaded, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		same := slices.EqualFunc(loaded.Notices, want, func(n Notice, want string) bool {
			return strings.Contains(n.String(), ":1: "+want) && n.Where.Line == 1
		})
		if !same {
			t.Errorf("%s: got %v, want %v", text, loaded.Notices, want)
		}
		inCode := loaded.Config.Notices()
		for i := range inCode {
			inCode[i].Where = loaded.Notices[i].Where
		}
		if len(inCode) != len(loaded.Notices) || len(inCode) > 0 && !reflect.DeepEqual(inCode, loaded.Notices) {
			t.Errorf("%s: without a file: got %v, want %v", text, inCode, loaded.Notices)
		}
	}
}
