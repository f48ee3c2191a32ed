package real

import (
	"strings"
	"testing"
)

// TestChartTakesLegal checks that the chart and the service accept the same legal
// values of config.
func TestChartTakesLegal(t *testing.T) {
	t.Parallel()
	for key, right := range map[string][]string{
		"http.path_prefix":  {`"/ml"`, `"/ml/v1.0"`, `"/a:b"`, `"/é"`, `"/..a/.b"`, `""`, `null`},
		"http.port":         {`1`, `65535`, `3e3`, `null`},
		"metrics.namespace": {`"my-team"`, `"a_b_9"`, `"a/b"`, `"seconds"`, `""`, `null`},

		"http.host":               {`""`, `"::"`, `null`},
		"metrics.conventions":     {`"bentoml"`, `["http","bentoml"]`, `["bentoml","gen_ai"]`},
		"metrics.duration.native": {`true`, `null`},
		"otlp.enabled":            {`true`, `null`},
		"otlp.endpoint":           {`""`, `"vendor"`, `"vendor:4317"`, `"HTTPS://vendor/otlp?a=b"`, `"http://me:secret@[::1]:4318/"`, `"http://:4318"`, `null`},
		"otlp.metrics":            {`{}`, `null`, `{"enabled":false,"endpoint":"","protocol":""}`},
		"otlp.protocol":           {`"grpc"`, `"http/protobuf"`, `null`},
		"otlp.traces.protocol":    {`"grpc"`, `""`, `null`},
		"shutdown.grace":          {`9223372036`, `"2562047h47m16s"`, `-0.0`},
		"ssl.cert_reqs":           {`0`, `1e0`, `null`},
		"traffic.max_concurrency": {`0`, `9`, `1e3`, `null`},
	} {
		for _, value := range right {
			rendered := render(t, "autoscaling.by=keda", "rules.enabled=true", "--set-json=config."+key+"="+value)
			if out, err := tool(t, "ekiben", "check", configFile(t, configOf(t, rendered))); err != nil {
				t.Errorf("the service refuses %s: %s: %s", key, value, out)
			}
		}
	}
}

// TestChartRefusesIllegal checks that the chart refuses each value of config that
// the service refuses at start: by the schema with its place, or with the error of
// the service.
func TestChartRefusesIllegal(t *testing.T) {
	t.Parallel()
	for key, wrong := range map[string][]string{
		"shutdown.grace":    {`"later"`, `"30"`, `""`, `"1 s"`, `"1..5s"`, `"5"`, `true`, `-5`, `"-5s"`, `10000000000`, `-1e+300`, `"2562048h"`, `"-2562048h"`, `9223372037`},
		"shutdown.delay":    {`-0.001`},
		"shutdown.idle":     {`"1d"`},
		"http.path_prefix":  {`"/ml/"`, `"ml"`, `"/"`, `"/a//b"`, `"/a b"`, `"/a?b"`, `"/a#"`, `"/%41"`, `"/a/../b"`, `"/."`, `"/{a}"`, "\"/a\\\\b\"", `5`, `false`},
		"http.port":         {`"3000"`, `"abc"`, `3000.5`, `true`},
		"metrics.namespace": {`"9lives"`, `"_x"`, `"a__b"`, `"a_"`, `"a--b"`, `"é"`, `9`},

		"http.host":               {`5`},
		"metrics.duration.native": {`"false"`},
		"metrics.enabled":         {`"false"`, `0`},
		"otlp.enabled":            {`"false"`, `"yes"`, `1`},
		"otlp.metrics.enabled":    {`"true"`},
		"otlp.metrics.protocol":   {`"GRPC"`, `"http"`},
		"otlp.protocol":           {`"GRPC"`, `"http"`, `""`, `5`},
		"otlp.tls.insecure":       {`"true"`},
		"otlp.traces.protocol":    {`"http/json"`},
		"ssl.cert_reqs":           {`"2"`, `1.5`, `true`},
		"ssl.enabled":             {`"false"`},
		"traffic.max_concurrency": {`"32"`, `0.5`},
	} {
		for _, value := range wrong {
			out, err := tool(t, "ekiben", "check", configFile(t, nested(key, value)))
			_, problem, _ := strings.Cut(out, ":1: ")
			words, _, placed := strings.Cut(strings.TrimSpace(problem), ", found ")
			if err == nil || !placed {
				t.Errorf("the service takes %s: %s: %s", key, value, out)
			}
			set := "--set-json=config." + key + "=" + value
			place := "at '/config/" + strings.ReplaceAll(key, ".", "/") + "'"
			if out, err := template(t, set); err == nil || !strings.Contains(out, place) && !strings.Contains(out, "config."+words+", found "+value) {
				t.Errorf("%s: %v %s, want %q", set, err, out, words)
			}
		}
	}
}

// TestChartRefusesUnshown checks values that neither error shows: addresses, which
// may hold a password, and null. The chart must give the error of the service.
func TestChartRefusesUnshown(t *testing.T) {
	t.Parallel()
	for key, wrong := range map[string][]string{
		"otlp.endpoint":         {`5`, `"ftp://vendor"`, `"http://"`, `"a b"`, `"http://me:secret@"`, `"http://vendor:otlp"`, `"://x"`},
		"otlp.metrics.endpoint": {`true`, `"http:///v1/metrics"`},
		"otlp.traces.endpoint":  {`"/v1/traces"`},
		"metrics.conventions":   {`[]`, `null`},
	} {
		for _, value := range wrong {
			out, err := tool(t, "ekiben", "check", configFile(t, nested(key, value)))
			_, problem, _ := strings.Cut(strings.TrimSpace(out), ":1: ")
			if err == nil || problem == "" {
				t.Errorf("the service takes %s: %s: %s", key, value, out)
			}
			place := "at '/config/" + strings.ReplaceAll(key, ".", "/") + "'"
			for _, collector := range []string{"collector.enabled=false", "collector.enabled=true"} {
				set := "--set-json=config." + key + "=" + value
				if out, err := template(t, set, collector); err == nil || !strings.Contains(out, place) && !strings.Contains(out, "config."+problem) {
					t.Errorf("%s: %v %s, want %q", set, err, out, problem)
				}
			}
		}
	}
}

// nested returns a configuration file with one key, in one line.
func nested(key, value string) string {
	return strings.ReplaceAll(key, ".", ": {") + ": " + value + strings.Repeat("}", strings.Count(key, "."))
}
