package real

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// TestChartRules checks that the chart has the rules of `ekiben assets` for its
// namespace, or the rules that are set.
func TestChartRules(t *testing.T) {
	t.Parallel()
	if read(t, deploy, "prometheus", "rules.yml") != read(t, chart, "files", "rules.yml") {
		t.Error("the chart's rules differ from those of deploy/prometheus")
	}
	written := func(flags ...string) string { return filepath.Join(assets(t, flags...), "prometheus", "rules.yml") }
	shipped := func(set ...string) any {
		return at(objectOf(t, render(t, append(set, "rules.enabled=true")...), "PrometheusRule", "bento-ekiben"), "spec")
	}
	other := written("--namespace", "my-team", "--slo", "0.3", "--objective", "0.999")
	for file, got := range map[string]any{
		filepath.Join(deploy, "prometheus", "rules.yml"): shipped(),
		written("--namespace", "my-team"):                shipped("config.metrics.namespace=my-team"),
		other:                                            shipped("config.metrics.namespace=my-team", "--set-file=rules.content="+other),
	} {
		var want any
		check.Must(t, yaml.Unmarshal([]byte(read(t, file)), &want))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", file, got, want)
		}
		if out, err := tool(t, "promtool", "check", "rules", file); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestChartBoundary checks that the chart refuses its rules if a histogram lacks the
// boundary that they read.
func TestChartBoundary(t *testing.T) {
	t.Parallel()
	for metrics, want := range map[string]string{
		`{}`:                                               "",
		`{"duration":{"buckets":[1,5]}}`:                   "",
		`{"duration":{"buckets":[0.5]}}`:                   `config.metrics: must have the boundary 1 of the chart's rules, which slo: [1] adds, found duration {"buckets":[0.5]}`,
		`{"duration":{"buckets":[5]},"slo":[1]}`:           "",
		`{"duration":{"min":0.1,"max":9,"factor":1.2}}`:    `found duration {"factor":1.2,"max":9,"min":0.1}`,
		`{"duration":{"min":0.001,"max":9,"factor":10}}`:   "",
		`{"duration":{"min":0.001,"max":0.5,"factor":10}}`: "config.metrics: must have",
		`{"duration":{"min":0.3,"max":1,"factor":1.7},"endpoints":{"/encode":{"slo":[0.05]}}}`: "",
		`{"endpoints":{"/encode":{"duration":{"buckets":[0.5]}}}}`:                             "config.metrics.endpoints./encode: must have",
		`{"duration":{"buckets":[2]},"slo":[1],"endpoints":{"/encode":{"slo":[0.05]}}}`:        "config.metrics.endpoints./encode: must have",
		`{"endpoints":{"/encode":{"duration":{"buckets":[0.5]},"slo":[1]}}}`:                   "",
	} {
		out, err := template(t, "rules.enabled=true", "--set-json=config.metrics="+metrics)
		if refused := err != nil; refused != (want != "") || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s, want %q", metrics, err, out, want)
		}
		render(t, "rules.enabled=true", "rules.content=groups: []", "--set-json=config.metrics="+metrics)
	}
}

// TestChartNamespace checks that the scalers read the family of the configured
// namespace.
func TestChartNamespace(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"config.metrics.namespace=":           "bentoml_service",
		"config.metrics.namespace=my-team.v2": "my_team_v2",
		"autoscaling.namespace=theirs":        "theirs",
	} {
		hpa := objectOf(t, render(t, set, "autoscaling.by=hpa"), "HorizontalPodAutoscaler", "bento-ekiben")
		if got := text(hpa, "spec", "metrics", 0, "pods", "metric", "name"); got != want+"_request_in_progress" {
			t.Errorf("%s: the HPA asks for %s", set, got)
		}
		keda := objectOf(t, render(t, set, "autoscaling.by=keda"), "ScaledObject", "bento-ekiben")
		if got := text(keda, "spec", "triggers", 0, "metadata", "query"); !strings.HasPrefix(got, "sum(max by (pod) (sum by (pod, runner_name) ("+want+"_request_in_progress{") {
			t.Errorf("%s: KEDA asks %s", set, got)
		}
	}
}

// TestChartTermination checks the termination grace period: preStop (5), idle (5),
// a reserve (5) and the grace in each notation.
func TestChartTermination(t *testing.T) {
	t.Parallel()
	for grace, want := range map[string]int{
		"30": 45, "1000000": 1000015, "0.25": 16, `"1m30.5s"`: 106, "null": 45,
		`"100us"`: 16, `"100µs"`: 16, `"1ns"`: 16, `"999ms1ms"`: 16, `".5s"`: 16, `"1.s"`: 16, `"0"`: 15, "1e-6": 16, "1e3": 1015, `"+1h"`: 3615,
	} {
		deployment := objectOf(t, render(t, "--set-json=config.shutdown.grace="+grace), "Deployment", "bento-ekiben")
		if got := whole(deployment, "spec", "template", "spec", "terminationGracePeriodSeconds"); got != want {
			t.Errorf("%s: %d seconds, want %d", grace, got, want)
		}
	}
}

// TestChartNull checks that null keeps the value of the chart, or else the default of
// the service.
func TestChartNull(t *testing.T) {
	t.Parallel()
	want := configOf(t, render(t, "collector.enabled=true"))
	for _, key := range []string{"http", "http.port", "shutdown", "shutdown.delay", "shutdown.idle", "shutdown.grace", "logging", "logging.format", "otlp", "otlp.enabled", "otlp.endpoint"} {
		if got := configOf(t, render(t, "collector.enabled=true", "--set-json=config."+key+"=null")); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", key, got, want)
		}
	}
	if got := configOf(t, render(t, "--set-json=config.metrics.slo=null")); !strings.Contains(got, "slo: null") {
		t.Errorf("the null is missing:\n%s", got)
	}
}

// TestChartReceivers checks that the service pushes to the Collector's port for the
// protocol.
func TestChartReceivers(t *testing.T) {
	t.Parallel()
	for set, want := range map[string][]string{
		"logging.format=json":                                              {"endpoint: http://bento-ekiben-collector:4318"},
		"otlp.protocol=grpc":                                               {"endpoint: http://bento-ekiben-collector:4317"},
		"otlp.traces.protocol=grpc":                                        {"endpoint: http://bento-ekiben-collector:4318", "traces:\n    endpoint: http://bento-ekiben-collector:4317"},
		"otlp.protocol=grpc,config.otlp.endpoint=http://x:1":               {"endpoint: http://x:1"},
		"otlp.traces.protocol=grpc,config.otlp.endpoint=http://x:1":        {"endpoint: http://x:1"},
		"otlp.traces.protocol=grpc,config.otlp.traces.endpoint=http://x:1": {"endpoint: http://bento-ekiben-collector:4318", "endpoint: http://x:1"},
	} {
		got := configOf(t, render(t, "collector.enabled=true,config."+set))
		for _, endpoint := range want {
			if !strings.Contains(got, endpoint) || strings.Count(got, "endpoint:") != len(want) {
				t.Errorf("%s: want %q in\n%s", set, want, got)
			}
		}
	}
}

// TestRollout changes each key of the configuration. The chart must replace the pods
// for keys that need a restart, and for no others.
func TestRollout(t *testing.T) {
	t.Parallel()
	out, err := command(t, "ekiben", "explain", "--output", "json").Output()
	var keys []struct {
		Key     string `json:"key"`
		Default string `json:"default"`
		Reload  bool   `json:"reload"`
	}
	if err != nil || json.Unmarshal(out, &keys) != nil || len(keys) < 80 {
		t.Fatalf("%v: %d keys", err, len(keys))
	}
	pods := func(values map[string]any) any {
		content := check.Value(yaml.Marshal(map[string]any{"config": values}))(t)
		annotations := at(objectOf(t, render(t, "--values="+configFile(t, string(content)), "--skip-schema-validation"), "Deployment", "bento-ekiben"), "spec", "template", "metadata", "annotations")
		return at(annotations, "checksum/config")
	}
	before, reloaded := pods(nil), map[string]any{}
	legal := map[string]any{ // keys that the chart checks
		"http.host": "::", "http.path_prefix": "/ml", "metrics.conventions": "http", "metrics.namespace": "team",
		"otlp.endpoint": "x", "otlp.metrics.endpoint": "x", "otlp.traces.endpoint": "x",
		"otlp.protocol": "grpc", "otlp.metrics.protocol": "grpc", "otlp.traces.protocol": "grpc",
		"otlp.metrics.enabled": true, "otlp.traces.enabled": true, "otlp.metrics.tls.insecure": true,
	}
	for _, k := range keys {
		var value any = 77
		if k.Default == "true" || k.Default == "false" {
			value = k.Default == "false"
		}
		if text, named := legal[k.Key]; named {
			value = text
		}
		if k.Reload {
			put(reloaded, k.Key, value)
			continue
		}
		alone := map[string]any{}
		put(alone, k.Key, value)
		if pods(alone) == before {
			t.Errorf("%s needs a restart, and no pod is replaced", k.Key)
		}
	}
	if pods(reloaded) != before {
		t.Errorf("pods are replaced for keys that are reloaded: %v", reloaded)
	}
}

func put(values map[string]any, key string, value any) {
	levels := strings.Split(key, ".")
	for _, level := range levels[:len(levels)-1] {
		below, ok := values[level].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[level] = below
		}
		values = below
	}
	values[levels[len(levels)-1]] = value
}

// TestLongNames checks that the names of a long release fit the limits of
// Kubernetes, and that the scaler's pattern matches the names of its pods.
func TestLongNames(t *testing.T) {
	t.Parallel()
	release := strings.Repeat("summarization-", 4)[:53]
	out, err := tool(t, "helm", "template", release, chart, "--set", "autoscaling.by=keda,collector.enabled=true")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, o := range objects(t, out) {
		name := text(o, "metadata", "name")
		if o["kind"] == "Service" && (len(name) > 63 || strings.HasSuffix(name, "-")) {
			t.Errorf("%s is no name for a Service", name)
		}
		if o["kind"] != "ScaledObject" {
			continue
		}
		pods := regexp.MustCompile(`pod=~"([^"]*)"`).FindStringSubmatch(text(o, "spec", "triggers", 0, "metadata", "query"))
		replicaSet := name + "-6d4cf56db6-"
		pod := replicaSet[:min(len(replicaSet), 58)] + "x7kzq" // Kubernetes cuts the name before its suffix
		if matched, err := regexp.MatchString("^(?:"+pods[1]+")$", pod); err != nil || !matched {
			t.Errorf("%s does not match %s: %v", pods[1], pod, err)
		}
	}
}
