package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// keysOfVariables lists the variables of each signal: a value of the signal's
// variable, one of the common variable, and one of our common key.
var keysOfVariables = []struct{ variable, key, signal, common, own string }{
	{"ENDPOINT", "endpoint", "http://signal:4318/mine", "http://common:4318", "http://own:4318"},
	{"PROTOCOL", "protocol", "http/protobuf", "http/protobuf", "grpc"},
	{"COMPRESSION", "compression", "none", "none", "gzip"},
	{"TIMEOUT", "timeout", "3", "4", "5"},
	{"CERTIFICATE", "tls.ca", "signal-ca.pem", "common-ca.pem", "own-ca.pem"},
	{"CLIENT_CERTIFICATE", "tls.cert", "signal.pem", "common.pem", "own.pem"},
	{"CLIENT_KEY", "tls.key", "signal-key.pem", "common-key.pem", "own-key.pem"},
	{"INSECURE", "tls.insecure", "false", "false", "true"},
	{"HEADERS", "headers.api-key", "signal", "common", "own"},
}

// pushed returns the settings of a push, by key.
func pushed(p Push) map[string]string {
	values := map[string]string{
		"endpoint": p.Endpoint.Reveal(), "protocol": p.Protocol, "compression": p.Compression, "timeout": fmt.Sprint(p.Timeout.Seconds()),
		"tls.ca": p.TLS.CA, "tls.cert": p.TLS.Cert, "tls.key": p.TLS.Key, "tls.insecure": fmt.Sprint(p.TLS.Insecure),
	}
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		values["headers."+strings.ToLower(name)] += p.Headers[name].Reveal()
	}
	return values
}

// otelEnviron returns OpenTelemetry's common variables, and those of both
// signals.
func otelEnviron(signals bool) (environ []string) {
	for _, k := range keysOfVariables {
		before, after := "="+map[string]string{"HEADERS": "api-key="}[k.variable], map[string]string{"TIMEOUT": "000"}[k.variable]
		environ = append(environ, "OTEL_EXPORTER_OTLP_"+k.variable+before+k.common+after)
		if signals {
			for _, signal := range []string{"METRICS_", "TRACES_"} {
				environ = append(environ, "OTEL_EXPORTER_OTLP_"+signal+k.variable+before+k.signal+after)
			}
		}
	}
	return environ
}

// ownSources loads a key of ours from each place where it can be given.
func ownSources(t *testing.T, key, value string, environ []string) map[string]func() (*Loaded, error) {
	t.Helper()
	set := func(key, value string) Setting { return Setting{Key: key, Value: value, From: "--set"} }
	on := []Setting{set("otlp.enabled", "true"), set("tracing.enabled", "true")}
	levels := strings.Split(key, ".")
	return map[string]func() (*Loaded, error){
		"code": func() (*Loaded, error) {
			base, err := Source{Set: []Setting{set("otlp.tls.cert", "x"), set("otlp.tls.key", "x"), set(key, value)}}.Load(Default())
			if err != nil {
				return nil, err
			}
			for _, file := range []*string{&base.Config.OTLP.TLS.Cert, &base.Config.OTLP.TLS.Key} {
				*file = strings.TrimPrefix(*file, "x") // "x" was only there because cert and key must both be given
			}
			return Source{Environ: environ, Set: on}.Load(base.Config)
		},
		"file": func() (*Loaded, error) {
			text := strings.Join(levels, ": {") + ": '" + value + "'" + strings.Repeat("}", len(levels)-1)
			if slices.Contains([]string{"otlp.timeout", "otlp.tls.insecure"}, key) {
				text = strings.ReplaceAll(text, "'", "")
			}
			return Source{Environ: environ, Set: on, File: write(t, text+"\n")}.Load(Default())
		},
		"variable": func() (*Loaded, error) {
			name := "EKIBEN_" + strings.ToUpper(strings.ReplaceAll(strings.ReplaceAll(key, ".", "__"), "-", "_"))
			return Source{Environ: append(slices.Clone(environ), name+"="+value), Set: on}.Load(Default())
		},
		"flag": func() (*Loaded, error) {
			return Source{Environ: environ, Set: append(slices.Clone(on), set(key, value))}.Load(Default())
		},
	}
}

// A common key of ours overrides a signal's variable for that key, and no
// other.
func TestCommonKeysGoOverSignalsVariables(t *testing.T) {
	for _, k := range keysOfVariables {
		key := "otlp." + k.key
		for source, load := range ownSources(t, key, k.own, otelEnviron(true)) {
			loaded, err := load()
			if err != nil {
				t.Errorf("%s by %s: %v", key, source, err)
				continue
			}
			for signal, push := range map[string]Push{"metrics": loaded.Config.PushMetrics(), "traces": loaded.Config.PushTraces()} {
				got := pushed(push)
				if !push.Enabled || len(got) != len(keysOfVariables) {
					t.Errorf("%s by %s: %s: got %v", key, source, signal, got)
				}
				for _, other := range keysOfVariables {
					want := other.signal
					if other.key == k.key {
						want = k.own
					}
					if got[other.key] != want {
						t.Errorf("%s by %s: %s: %s is %s, want %s", key, source, signal, other.key, got[other.key], want)
					}
				}
				for _, e := range loaded.Explain("otlp." + signal + "." + k.key) {
					if e.Source != "default" {
						t.Errorf("%s by %s: %s is explained as %s from %s", key, source, e.Key, e.Value, e.Source)
					}
				}
			}
			if e := loaded.Explain(key); len(e) != 1 || strings.HasPrefix(e[0].Source, "OTEL") || e[0].Source == "default" {
				t.Errorf("%s by %s: explained as %+v", key, source, e)
			}
		}
	}
}

// A signal's variable overrides the common one, which overrides the default.
func TestSignalsVariablesGoOverCommonOnes(t *testing.T) {
	on := []Setting{{Key: "otlp.enabled", Value: "true"}, {Key: "tracing.enabled", Value: "true"}}
	for _, signals := range []bool{false, true} {
		loaded := check.Value(Source{Environ: otelEnviron(signals), Set: on}.Load(Default()))(t)
		for signal, push := range map[string]Push{"metrics": loaded.Config.PushMetrics(), "traces": loaded.Config.PushTraces()} {
			for _, k := range keysOfVariables {
				want, key, from := k.common, "otlp."+k.key, "OTEL_EXPORTER_OTLP_"+k.variable
				if signals {
					want, key, from = k.signal, "otlp."+signal+"."+k.key, "OTEL_EXPORTER_OTLP_"+strings.ToUpper(signal)+"_"+k.variable
				}
				if got := pushed(push); got[k.key] != want {
					t.Errorf("%s: %s is %s, want %s", signal, k.key, got[k.key], want)
				}
				if e := loaded.Explain(key); len(e) != 1 || e[0].Source != from {
					t.Errorf("explained as %+v, want %s", e, from)
				}
			}
		}
	}
}

// A signal's key of ours overrides every variable.
func TestSignalsKeysGoOverVariables(t *testing.T) {
	for _, k := range keysOfVariables {
		loaded, err := Source{Environ: otelEnviron(true), Set: []Setting{{Key: "otlp.enabled", Value: "true"}, {Key: "otlp.metrics." + k.key, Value: k.own}}}.Load(Default())
		if err != nil {
			t.Errorf("%s: %v", k.key, err)
			continue
		}
		if got := pushed(loaded.Config.PushMetrics()); got[k.key] != k.own || len(got) != len(keysOfVariables) {
			t.Errorf("%s: got %v", k.key, got)
		}
		if got := pushed(loaded.Config.PushTraces()); k.key != "endpoint" && got[k.key] != k.signal {
			t.Errorf("%s: traces have %v", k.key, got)
		}
	}
}

// A header of ours, or of a file, overrides a variable's header of the same
// name in any case. Others stay.
func TestHeadersGoOverVariables(t *testing.T) {
	secret := write(t, "own\n")
	for _, c := range []struct {
		file string
		want map[string]string
	}{
		{"{}", map[string]string{"headers.api-key": "signal", "headers.tenant": "common"}},
		{"{headers: {API-Key: own}}", map[string]string{"headers.api-key": "own", "headers.tenant": "common"}},
		{"{headers_file: {api-key: SECRET}}", map[string]string{"headers.api-key": "own", "headers.tenant": "common"}},
		{"{headers_file: {Api-Key: SECRET, tenant: SECRET}}", map[string]string{"headers.api-key": "own", "headers.tenant": "own"}},
		{"{metrics: {headers_file: {API-KEY: SECRET, Tenant: SECRET}}}", map[string]string{"headers.api-key": "own", "headers.tenant": "own"}},
		{"{metrics: {headers: {Tenant: own}}}", map[string]string{"headers.api-key": "signal", "headers.tenant": "own"}},
		{"{headers: null}", map[string]string{}},
	} {
		loaded, err := Source{
			Environ: []string{"OTEL_EXPORTER_OTLP_HEADERS=api-key=common,tenant=common", "OTEL_EXPORTER_OTLP_METRICS_HEADERS=api-key=signal"},
			File:    write(t, "otlp: "+strings.ReplaceAll(c.file, "SECRET", "'"+secret+"'")+"\n"),
		}.Load(Default())
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		got := pushed(loaded.Config.PushMetrics())
		maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, "headers.") })
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.file, got, c.want)
		}
	}
}

// Variables do not turn pushing on or off.
func TestVariablesDoNotPush(t *testing.T) {
	for _, c := range []struct {
		file   string
		pushes bool
		to     string
	}{
		{"{}", false, ""},
		{"{enabled: false}", false, ""},
		{"{enabled: true}", true, "http://signal:4318/mine"},
		{"{metrics: {enabled: true}}", true, "http://signal:4318/mine"},
		{"{enabled: true, metrics: {enabled: false}}", false, ""},
		{"{enabled: false, metrics: {endpoint: 'http://own:4318'}}", true, "http://own:4318"},
		{"{traces: {endpoint: 'http://own:4318'}}", false, ""},
	} {
		for signal, push := range map[string]func(Config) Push{"metrics": Config.PushMetrics, "traces": Config.PushTraces} {
			file := c.file
			if signal == "traces" {
				file = strings.NewReplacer("metrics", "traces", "traces", "metrics").Replace(file)
			}
			loaded, err := Source{Environ: otelEnviron(true), File: write(t, "tracing: {enabled: true}\notlp: "+file+"\n")}.Load(Default())
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if got := push(loaded.Config); got.Enabled != c.pushes || c.pushes && got.Endpoint.Reveal() != c.to {
				t.Errorf("%s: got %t, to %s", file, got.Enabled, got.Endpoint.Reveal())
			}
		}
	}
}

// Keys outside otlp override variables too.
func TestKeysGoOverVariables(t *testing.T) {
	for _, c := range []struct{ variable, key, own, explained string }{
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta", "otlp.temporality", "cumulative", "delta"},
		{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram", "metrics.duration.native", "false", "true"},
		{"OTEL_METRIC_EXPORT_INTERVAL=15000", "otlp.interval", "3", "15"},
		{"OTEL_PROPAGATORS=b3", "tracing.propagators", "baggage", "[b3]"},
		{"OTEL_TRACES_SAMPLER=always_on", "tracing.sample_rate", "0.5", "1"},
		{"OTEL_TRACES_SAMPLER=always_on", "tracing.parent_based", "true", "false"},
	} {
		name, _, _ := strings.Cut(c.variable, "=")
		for _, own := range []bool{false, true} {
			source, want, from := Source{Environ: []string{c.variable}}, c.explained, name
			if own {
				source.Set, want, from = []Setting{{Key: c.key, Value: c.own, From: "--set"}}, c.own, "--set"
			}
			loaded := check.Value(source.Load(Default()))(t)
			if e := loaded.Explain(c.key); strings.Trim(e[0].Value, `"[]`) != strings.Trim(want, "[]") || e[0].Source != from {
				t.Errorf("%s: got %+v, want %s from %s", c.key, e, want, from)
			}
		}
	}
}
