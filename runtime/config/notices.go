package config

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

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
	add(c.Tracing.Enabled && c.Tracing.SampleRate == 0, "tracing.sample_rate", c.Tracing.kept()+"; to record all traces, set it to 1")
	add(c.Tracing.Enabled && !c.PushTraces().Enabled, "tracing.enabled", "spans are pushed nowhere; to push them, set otlp.enabled, or otlp.traces.endpoint to the URL of a collector")
	add(c.nowhere(), "metrics.public", "is false, and nothing else shows the metrics; to read them, set admin.enabled, or otlp.enabled to push them")
	add(c.Admin.open(), "admin.host", c.Admin.shown())
	add(c.Batching.lacksWindow(), "batching.policy", noWindow)
	c.trafficNotices(add)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		own := c.Services[name].Batching
		add((own.Policy != nil || own.Window != nil) && c.BatchingOf(name).lacksWindow(), "services."+name+".batching.policy", noWindow)
	}
	return append(c.withoutEffect(), found...)
}

// need says what a key, and every key below it, needs to have an effect.
type need struct {
	key string
	// lacks says what the configuration lacks. "": nothing. Nil: the key always has an
	// effect.
	lacks func(Config) string
}

// needs lists what the keys need. The first need that a configuration lacks makes the
// notice.
func (c Config) needs() []need {
	all := []need{
		{"http.cors", off("http.cors.enabled", func(c Config) bool { return c.HTTP.CORS.Enabled })},
		{"http.host", c.HTTP.Socket.replaces}, {"http.port", c.HTTP.Socket.replaces},
		{"http.socket_mode", func(c Config) string { return when(c.HTTP.Socket.Path == "", "http.socket is not given") }},
		{"traffic.per_client", func(c Config) string {
			return when(c.HTTP.Socket.Path != "" && !slices.Contains(c.HTTP.Proxies.Trusted, "unix"), "clients of http.socket have no address: add unix to http.trusted_proxies, and let the proxy tell it")
		}},
		{"http.h2c", func(c Config) string {
			return when(c.SSL.Enabled, "ssl.enabled is true: clients of TLS choose HTTP/2 without it")
		}},
		{"http.response.trace_id", off("tracing.enabled", func(c Config) bool { return c.Tracing.Enabled })},
		{"admin", off("admin.enabled", func(c Config) bool { return c.Admin.Enabled })},
		{"ssl", off("ssl.enabled", func(c Config) bool { return c.SSL.Enabled })},
		{"runner_probe.timeout", nil}, // it limits the check of the entry service too
		{"runner_probe", off("runner_probe.enabled", func(c Config) bool { return c.RunnerProbe.Enabled })},
		{"metrics.client_closed", nil}, // the access log has this status too
		{"metrics", off("metrics.enabled", func(c Config) bool { return c.Metrics.Enabled })},
		{"metrics.duration.truncate", func(c Config) string {
			return when(c.Metrics.Views.Duration.Factor == nil, "metrics.duration.factor is not given")
		}},
		{"logging.access.format", nil}, // headers of responses have these ids too
		{"logging.access", off("logging.access.enabled", func(c Config) bool { return c.Logging.AccessLog.Enabled })},
		{"tracing", off("tracing.enabled", func(c Config) bool { return c.Tracing.Enabled })},
		{"otlp.metrics", Config.lacksMetricsPush}, {"otlp.interval", Config.lacksMetricsPush}, {"otlp.temporality", Config.lacksMetricsPush},
		{"otlp.traces", Config.lacksTracesPush},
		{"otlp.logs", func(c Config) string { return when(!c.PushLogs().Enabled, "otlp.logs.enabled is false") }},
		{"otlp", Config.lacksPush},
		{"traffic.adaptive_concurrency", func(c Config) string {
			bounded := c.Traffic.MaxConcurrency > 0
			for _, own := range c.Services {
				bounded = bounded || own.Traffic.MaxConcurrency != nil && *own.Traffic.MaxConcurrency > 0
			}
			return when(!bounded, unbounded)
		}},
		{"otlp.retry", off("otlp.retry.enabled", func(c Config) bool { return c.OTLP.Retry.Enabled })},
	}
	all = append(all, c.trafficNeeds()...)
	every := []Batching{c.Batching} // the common keys have an effect if one service uses them
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		own := c.BatchingOf(name)
		every = append(every, own)
		all = append(all, need{"services." + name + ".traffic.adaptive_concurrency", func(c Config) string {
			return when(c.TrafficOf(name).MaxConcurrency == 0, unbounded)
		}})
		all = append(all, batchingNeeds("services."+name+".batching", own)...)
	}
	return append(all, batchingNeeds("batching", every...)...)
}

const unbounded = "max_concurrency is 0: set it to the highest limit"

// replaces says that a socket replaces the address of TCP.
func (s Socket) replaces(Config) string { return when(s.Path != "", "http.socket is given") }

// off returns a need for a key that turns something on.
func off(key string, on func(Config) bool) func(Config) string {
	return func(c Config) string { return when(!on(c), key+" is false") }
}

func when(lacks bool, why string) string {
	if lacks {
		return "has no effect, because " + why
	}
	return ""
}

func (c Config) lacksMetricsPush() string {
	return when(!c.PushMetrics().Enabled, c.notPushed(c.Metrics.Enabled, "metrics.enabled", c.OTLP.Metrics.Enabled, "otlp.metrics.enabled"))
}

func (c Config) lacksTracesPush() string {
	return when(!c.PushTraces().Enabled, c.notPushed(c.Tracing.Enabled, "tracing.enabled", c.OTLP.Traces.Enabled, "otlp.traces.enabled"))
}

// notPushed says why a signal is not pushed.
func (c Config) notPushed(measured bool, key string, own *bool, ownKey string) string {
	switch {
	case !measured:
		return key + " is false"
	case own != nil:
		return ownKey + " is false"
	}
	return "otlp.enabled is false"
}

func (c Config) lacksPush() string {
	metrics, traces := c.PushMetrics().Enabled, c.PushTraces().Enabled || c.PushLogs().Enabled
	if !c.OTLP.Enabled {
		return when(!metrics && !traces, "otlp.enabled is false")
	}
	return when(!metrics && !traces, "neither metrics nor spans are pushed")
}

// batchingNeeds returns the needs of the keys of batching below a section. of has the
// settings of the services that use them.
func batchingNeeds(section string, of ...Batching) []need {
	of = slices.DeleteFunc(of, func(b Batching) bool { return !b.Enabled })
	if len(of) == 0 {
		lacks := off(section+".enabled", func(Config) bool { return false })
		return []need{{section + ".policy", lacks}, {section + ".window_ms", lacks}}
	}
	window := "has no effect, because " + section + ".policy is " + of[0].Policy + " and not window"
	for _, b := range of {
		switch b.Policy {
		case "window":
			return nil
		case "": // as the API declares
			window = "has an effect only on APIs that declare the policy window; for the others, set " + section + ".policy to window"
		}
	}
	return []need{{section + ".window_ms", func(Config) string { return window }}}
}

// withoutEffect lists the settings, other than defaults, that have no effect because
// another key is not set.
func (c Config) withoutEffect() []Notice {
	defaults, given := map[string]any{}, map[string]bool{}
	for _, v := range valuesOf(Default()) {
		defaults[strings.Join(v.path, ".")] = v.value
	}
	values := valuesOf(c)
	values = slices.DeleteFunc(values, func(v placed) bool {
		was, known := defaults[strings.Join(v.path, ".")]
		return known && reflect.DeepEqual(was, v.value)
	})
	for _, v := range values {
		given[strings.Join(v.path, ".")] = true
	}
	needs := c.needs()
	var found []Notice
	for _, v := range values {
		name := strings.Join(v.path, ".")
		if v.key.kind == secret && given[strings.Join(fileTwin(v.path), ".")] { // it was read from that file
			continue
		}
		if lacks := lack(needs, c, name, v.value); lacks != "" {
			found = append(found, Notice{Key: name, Text: lacks})
		}
	}
	return found
}

// lack says what a configuration lacks for the effect of a key, or "". A key that
// turns something off has an effect.
func lack(needs []need, c Config, name string, value any) string {
	for _, n := range needs {
		if !within(n.key, name) {
			continue
		}
		if n.lacks == nil || name == n.key+".enabled" && value == false {
			return ""
		}
		if lacks := n.lacks(c); lacks != "" {
			return lacks
		}
	}
	return ""
}

// open reports whether other machines reach the admin door without a password.
func (a Admin) open() bool {
	addr, err := netip.ParseAddr(a.Host)
	loopback := err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(a.Host, "."), "localhost")
	return a.Enabled && a.WebConfigFile == "" && !loopback
}

// shown says what an open admin door shows.
func (a Admin) shown() string {
	what := "metrics and slow requests"
	if a.Profiles {
		what = "metrics, slow requests and profiles"
	}
	return "is not a loopback address: everybody who reaches it can read " + what + "; set admin.web_config_file, or let only your own network reach the port"
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
