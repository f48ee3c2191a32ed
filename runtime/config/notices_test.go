package config

import (
	"slices"
	"strings"
	"testing"
)

const origins = "access_control_allow_origins: '*'"

// noticed are configurations and the beginnings of their notices.
var noticed = map[string][]string{
	"http: {port: 1}":           nil,
	"metrics: {namespace: a-b}": {"metrics.namespace: metrics begin with a_b_, "},
	"logging: {access: {skip_paths: [/livez, metrics, '']}}": {"logging.access.skip_paths: has metrics, with which no path begins: write /metrics", `logging.access.skip_paths: has "", with which every path begins: no request is logged`},

	"http: {cors: {enabled: true, " + origins + "}}":                                       {"http.cors.access_control_allow_methods: has no POST, "},
	"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: [post]}}": {"http.cors.access_control_allow_methods: has no POST, "},
	"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: POST}}":   nil,
	"http: {cors: {enabled: true, " + origins + ", access_control_allow_methods: '*'}}":    nil,
	"http: {cors: {" + origins + "}}":                                                      {"http.cors.access_control_allow_origins: has no effect, because http.cors.enabled is false"},

	"http: {response: {trace_id: true}}": {"http.response.trace_id: has no effect, because tracing.enabled is false"},
	"ssl: {certfile: a, keyfile: b}":     {"ssl.certfile: has no effect, because ssl.enabled is false", "ssl.keyfile: has no effect, "},
	"ssl: {ca_certs: a}":                 {"ssl.ca_certs: has no effect, "},
	"ssl: {certfile: a, enabled: true}":  nil,

	"tracing: {enabled: true, sample_rate: 1}":                                                    {"tracing.enabled: spans are pushed nowhere; "},
	"tracing: {enabled: true}\notlp: {enabled: true}":                                             {"tracing.sample_rate: is 0: only traces that the caller records are recorded; to record all traces, set it to 1"},
	"tracing: {enabled: true, parent_based: false}\notlp: {traces: {endpoint: 'http://c'}}":       {"tracing.sample_rate: is 0: no trace is recorded; "},
	"tracing: {enabled: true, trust_incoming: false}\notlp: {traces: {endpoint: 'http://c'}}":     {"tracing.sample_rate: is 0: no trace is recorded; "},
	"tracing: {enabled: true, sample_rate: 0.1}\notlp: {enabled: true, traces: {enabled: false}}": {"tracing.enabled: spans are pushed nowhere; "},
	"tracing: {sample_rate: 0.5, propagators: [b3]}":                                              {"tracing.sample_rate: has no effect, because tracing.enabled is false", "tracing.propagators: has no effect, because tracing.enabled is false"},

	"otlp: {enabled: true}":                                               nil,
	"otlp: {endpoint: 'http://c', headers: {key: x}}":                     {"otlp.endpoint: has no effect, because otlp.enabled is false", "otlp.headers.key: has no effect, because otlp.enabled is false"},
	"otlp: {interval: 1, metrics: {endpoint: 'http://c'}}":                nil,
	"otlp: {interval: 1, retry: {enabled: false, max: 9}}":                {"otlp.interval: has no effect, because otlp.enabled is false", "otlp.retry.enabled: has no effect, ", "otlp.retry.max: has no effect, "},
	"otlp: {enabled: true, retry: {enabled: false, max: 9}}":              {"otlp.retry.max: has no effect, because otlp.retry.enabled is false"},
	"otlp: {traces: {endpoint: 'http://c', compression: gzip}}":           {"otlp.traces.endpoint: has no effect, because tracing.enabled is false", "otlp.traces.compression: has no effect, "},
	"otlp: {enabled: true, metrics: {enabled: false, timeout: 1}}":        {"otlp.enabled: has no effect, because neither metrics nor spans are pushed", "otlp.metrics.timeout: has no effect, because otlp.metrics.enabled is false"},
	"{otlp: {enabled: true}, metrics: {enabled: false, namespace: team}}": {"metrics.namespace: has no effect, because metrics.enabled is false", "otlp.enabled: has no effect, "},

	"metrics: {enabled: false, client_closed: 499}":                               nil,
	"metrics: {duration: {truncate: true}}":                                       {"metrics.duration.truncate: has no effect, because metrics.duration.factor is not given"},
	"logging: {access: {enabled: false, skip_paths: [/], format: {trace_id: x}}}": {"logging.access.skip_paths: has no effect, because logging.access.enabled is false"},
	"runner_probe: {enabled: false, timeout: 3}":                                  nil,
	"ssl: {keyfile_password: x, cert_reqs: 1, ca_certs: a}":                       {"ssl.keyfile_password: has no effect, ", "ssl.ca_certs: ", "ssl.cert_reqs: "},
	"http: {h2c: true}\nssl: {enabled: true, certfile: a}":                        {"http.h2c: has no effect, because ssl.enabled is true"},

	"traffic: {max_queue: 5, queue_order: deadline}":                                                                      {"traffic.max_queue: has no effect without runtime.MaxConcurrency in the code, because max_concurrency is 0", "traffic.queue_order: has no effect without runtime.MaxConcurrency in the code, because max_concurrency is 0"},
	"traffic: {max_concurrency: 2, queue_order: deadline}":                                                                {"traffic.queue_order: has no effect, because max_queue is 0"},
	"traffic: {max_queue: 5, max_concurrency: 2, queue_order: deadline}":                                                  nil,
	"traffic: {max_queue: 5, endpoints: {/a: {max_concurrency: 2}}}":                                                      nil,
	"{traffic: {max_queue: 5}, services: {Front: {traffic: {max_concurrency: 2}}}}":                                       nil,
	"services: {Front: {traffic: {max_queue: 5, queue_order: deadline}}}":                                                 {"services.Front.traffic.max_queue: has no effect without ", "services.Front.traffic.queue_order: has no effect without "},
	"{traffic: {max_queue: 5, max_concurrency: 2}, services: {Front: {traffic: {max_queue: 0}}}}":                         nil,
	"traffic: {priority_header: P, tenant_header: T}":                                                                     {"traffic.priority_header: has no effect without a batchable API, because max_queue is 0", "traffic.tenant_header: has no effect without a batchable API, because max_queue is 0"},
	"traffic: {priority_header: P, max_queue: 1}":                                                                         {"traffic.max_queue: has no effect without ", "traffic.priority_header: has no effect without a batchable API, because max_concurrency is 0"},
	"traffic: {priority_header: P, tenant_header: T, max_queue: 1, max_concurrency: 1}":                                   nil,
	"traffic: {priority_header: x-p, tenant_header: X-P, max_queue: 1, max_concurrency: 1}":                               {"traffic.tenant_header: is the same header as priority_header: "},
	"{traffic: {priority_header: P, max_queue: 1, max_concurrency: 1}, services: {Front: {traffic: {tenant_header: p}}}}": {"services.Front.traffic.tenant_header: is the same header as priority_header: "},
	"services: {Front: {traffic: {tenant_header: T}}}":                                                                    {"services.Front.traffic.tenant_header: has no effect without a batchable API, "},
	"traffic: {per_client: {burst: 3}}":                                                                                   {"traffic.per_client.burst: has no effect, because traffic.per_client.rate is 0"},
	"traffic: {per_client: {burst: 3, rate: 1}}":                                                                          nil,

	"admin: {enabled: true}":                                            nil,
	"admin: {host: 0.0.0.0}":                                            {"admin.host: has no effect, because admin.enabled is false"},
	"admin: {enabled: true, host: 0.0.0.0}":                             {"admin.host: is not a loopback address: everybody who reaches it can read metrics and slow requests; set admin.web_config_file, "},
	"admin: {enabled: true, host: '', profiles: true}":                  {"admin.host: is not a loopback address: everybody who reaches it can read metrics, slow requests and profiles; "},
	"admin: {enabled: true, host: '::1'}":                               nil,
	"admin: {enabled: true, host: '::ffff:127.0.0.2'}":                  nil,
	"admin: {enabled: true, host: localhost}":                           nil,
	"admin: {enabled: true, host: 10.0.0.1, web_config_file: web.yaml}": nil,

	"slow: {keep: 5}": {"slow.keep: has no effect, because slow.objective is 0: no request is slow"},
	"{slow: {keep: 5}, traffic: {endpoints: {/a: {slow_objective: 1}}}}":                               nil,
	"slow: {keep: 5, objective: 59}":                                                                   nil,
	"slow: {objective: 60}":                                                                            {"slow.objective: is not below the timeout of 1m0s: only streams, and requests that end with a 504, can be slow"},
	"{slow: {objective: 60}, traffic: {timeout: 0}}":                                                   nil,
	"{slow: {objective: 60}, traffic: {endpoints: {/a: {timeout: 70}}}}":                               nil,
	"{slow: {objective: 60}, services: {Front: {traffic: {timeout: 0}}}}":                              nil,
	"traffic: {timeout: 5, endpoints: {/a: {slow_objective: 5}, /b: {slow_objective: 5, timeout: 6}}}": {"traffic.endpoints./a.slow_objective: is not below the timeout of 5s: "},
	"services: {Front: {traffic: {timeout: 5, endpoints: {/a: {slow_objective: 6}}}}}":                 {"services.Front.traffic.endpoints./a.slow_objective: is not below the timeout of 5s: "},

	"batching: {policy: window}":                 {"batching.policy: is window, and window_ms is not given: "},
	"batching: {policy: window, window_ms: 0}":   nil,
	"batching: {policy: window, enabled: false}": {"batching.policy: has no effect, because batching.enabled is false"},
	"batching: {window_ms: 1}":                   {"batching.window_ms: has an effect only on APIs that declare the policy window; for the others, set batching.policy to window"},
	"batching: {window_ms: 1, policy: idle}":     {"batching.window_ms: has no effect, because batching.policy is idle and not window"},
	"batching: {window_ms: 1, policy: window}":   nil,
	"{batching: {policy: window}, services: {Front: {batching: {window_ms: 1, policy: idle}}}}": {"services.Front.batching.window_ms: has no effect, because services.Front.batching.policy is idle and not window", "batching.policy: is window, "},
	"services: {Front: {batching: {policy: window}}}":                                           {"services.Front.batching.policy: is window, "},
	"services: {Front: {batching: {policy: window, window_ms: 1}}}":                             nil,
	"batching: {window_ms: 1}\nservices: {Front: {batching: {policy: window}}}":                 nil,
	"batching: {policy: window}\nservices: {Front: {workers: 2}}":                               {"batching.policy: is window, "},
}

// A setting that cannot do what its writer expects gives a notice with its key and
// place.
func TestNotices(t *testing.T) {
	for text, want := range noticed {
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
		for i := range loaded.Notices {
			loaded.Notices[i].Where = Place{}
		}
		if inCode := loaded.Config.Notices(); !slices.Equal(inCode, loaded.Notices) {
			t.Errorf("%s: without a file: got %v, want %v", text, inCode, loaded.Notices)
		}
	}
}
