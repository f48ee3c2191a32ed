package real

import (
	"os/exec"
	"strings"
	"testing"
)

// TestChartTakesLegal has near values taken by the chart as by the service, which
// serves and measures by them.
func TestChartTakesLegal(t *testing.T) {
	for key, right := range map[string][]string{
		"http.path_prefix":  {`"/ml"`, `"/ml/v1.0"`, `"/a:b"`, `"/é"`, `""`, `null`},
		"http.port":         {`1`, `65535`, `3e3`, `null`},
		"metrics.namespace": {`"my-team"`, `"a_b_9"`, `"a/b"`, `"seconds"`, `""`, `null`},
	} {
		for _, value := range right {
			rendered := render(t, "autoscaling.by=keda", "rules.enabled=true", "--set-json=config."+key+"="+value)
			if out, err := exec.CommandContext(t.Context(), need(t, "ekiben"), "check", configFile(t, configOf(t, rendered))).CombinedOutput(); err != nil {
				t.Errorf("the service refuses %s: %s: %s", key, value, out)
			}
		}
	}
}

// TestChartRefusesIllegal has values of config that the chart follows refused as
// the service refuses them at start, with its words.
func TestChartRefusesIllegal(t *testing.T) {
	for key, wrong := range map[string][]string{
		"shutdown.grace":    {`"later"`, `"30"`, `""`, `"1 s"`, `"1..5s"`, `"5"`, `true`, `-5`, `"-5s"`},
		"shutdown.delay":    {`-0.001`},
		"shutdown.idle":     {`"1d"`},
		"http.path_prefix":  {`"/ml/"`, `"ml"`, `"/"`, `"/a//b"`, `"/a b"`, `"/a?b"`, `"/a#"`, `"/%41"`, `5`, `false`},
		"http.port":         {`"3000"`, `"abc"`, `3000.5`, `true`},
		"metrics.namespace": {`"9lives"`, `"_x"`, `"a__b"`, `"a_"`, `"a--b"`, `"é"`, `9`},
	} {
		for _, value := range wrong {
			section, name, _ := strings.Cut(key, ".")
			file := configFile(t, section+": {"+name+": "+value+"}")
			out, err := exec.CommandContext(t.Context(), need(t, "ekiben"), "check", file).CombinedOutput()
			_, problem, _ := strings.Cut(string(out), ":1: ")
			words, _, placed := strings.Cut(problem, ", found ")
			if err == nil || !placed {
				t.Errorf("the service takes %s: %s: %s", key, value, out)
			}
			set := "--set-json=config." + key + "=" + value
			if out, err := template(t, set); err == nil || !strings.Contains(out, "config."+words+", found "+value) {
				t.Errorf("%s: %v %s, want %q", set, err, out, words)
			}
		}
	}
}
