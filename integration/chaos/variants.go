package main

import "fmt"

// variant is a good configuration.
type variant struct {
	name string
	more string // YAML beside the common keys
}

// variants are the configurations that incarnations take in turn.
var variants = []variant{
	{name: "plain"},
	{name: "traced", more: "tracing: {enabled: true, sample_rate: 0.1}"},
	{name: "native durations", more: "  duration: {native: true}\n"},
	{name: "batches in a window", more: "batching: {policy: window, window_ms: 2}\nworkers: 4"},
	{name: "batches of one", more: "batching: {enabled: false}"},
	{name: "names of http too", more: "  conventions: [bentoml, http]\n"},
}

// yaml returns the file of a variant. Limits are short, so that slow clients
// reach them, and long enough for other clients on a busy machine.
func (v variant) yaml(collector string) string {
	return fmt.Sprintf(`http:
  h2c: true
  max_body_size: 262144
  limits: {header_timeout: 5, body_timeout: 4, write_timeout: 3}
logging: {format: json, access: {skip_paths: []}}
otlp:
  metrics: {enabled: true, endpoint: %q}
  interval: 0.5
  timeout: 0.4
shutdown: {idle: 1, grace: 10}
metrics:
  client_closed: 499
%s
`, collector, v.more)
}
