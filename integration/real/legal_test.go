package real

import (
	"os/exec"
	"strings"
	"testing"
)

// TestChartRefusesIllegal has values of config that the chart follows refused as
// the service refuses them at start, with its words.
func TestChartRefusesIllegal(t *testing.T) {
	for key, wrong := range map[string][]string{
		"shutdown.grace": {`"later"`, `"30"`, `""`, `"1 s"`, `"1..5s"`, `"5"`, `true`, `-5`, `"-5s"`},
		"shutdown.delay": {`-0.001`},
		"shutdown.idle":  {`"1d"`},
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
