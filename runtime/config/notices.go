package config

import (
	"maps"
	"slices"

	"github.com/ekiben-serving/ekiben/views"
)

// Notices lists the settings of a valid configuration that cannot do what their
// writer may expect. The notices of [Loaded] include them, with their places.
func (c Config) Notices() []Notice {
	var found []Notice
	add := func(when bool, key, text string) {
		if when {
			found = append(found, Notice{Key: key, Text: text})
		}
	}
	given := c.Metrics.Views.Namespace
	legal, err := views.LegalNamespace(given)
	add(given != "" && err == nil && legal != given, "metrics.namespace",
		"metrics begin with "+legal+"_, because metric names cannot have all characters of "+quote(given))
	for _, path := range c.Logging.AccessLog.SkipPaths {
		add(path == "", "logging.access.skip_paths", `has "", with which every path begins: no request is logged`)
		add(path != "" && path[0] != '/', "logging.access.skip_paths", "has "+quote(path)+", with which no path begins: write /"+path)
	}
	add(c.HTTP.CORS.lacksPOST(), "http.cors.access_control_allow_methods",
		"has no POST, so browsers cannot call APIs from other origins: all APIs are called with POST")
	add(c.HTTP.Response.TraceID && !c.Tracing.Enabled, "http.response.trace_id", "has no effect, because tracing.enabled is false")
	for _, file := range []struct{ key, name string }{{"certfile", c.SSL.CertFile}, {"keyfile", c.SSL.KeyFile}, {"ca_certs", c.SSL.CACerts}} {
		add(file.name != "" && !c.SSL.Enabled, "ssl."+file.key, "has no effect, because ssl.enabled is false: HTTP without TLS is served")
	}
	add(c.Tracing.Enabled && c.Tracing.SampleRate == 0, "tracing.sample_rate", c.Tracing.kept()+"; to record all traces, set it to 1")
	add(c.Tracing.Enabled && !c.PushTraces().Enabled, "tracing.enabled", "spans are pushed nowhere; to push them, set otlp.enabled, or otlp.traces.endpoint to the URL of a collector")
	add(c.Batching.lacksWindow(), "batching.policy", noWindow)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		own := c.Services[name].Batching
		add((own.Policy != nil || own.Window != nil) && c.BatchingOf(name).lacksWindow(), "services."+name+".batching.policy", noWindow)
	}
	return found
}

// lacksPOST reports whether preflight requests for APIs are refused.
func (c CORS) lacksPOST() bool {
	return c.Enabled && !slices.Contains(c.AllowMethods, "*") && !slices.Contains(c.AllowMethods, "POST")
}

// kept says which traces are recorded with a sample rate of 0.
func (t Tracing) kept() string {
	if t.ParentBased && t.TrustIncoming {
		return "is 0: only traces that the caller records are recorded"
	}
	return "is 0: no trace is recorded"
}

func (b Batching) lacksWindow() bool {
	return b.Enabled && b.Policy == "window" && b.Window == nil
}

const noWindow = "is window, and window_ms is not given: a batch waits only if its API declares how long; to let it wait, set window_ms"

// located returns notices with the places of their keys.
func (p places) located(notices []Notice) []Notice {
	for i, n := range notices {
		notices[i].Where = p.of(n.Key)
	}
	return notices
}
