package real

import (
	"os/exec"
	"strings"
	"testing"
)

// If a Service cannot have the name of the release, the chart refuses the release with
// an error that says so, unless another name is given.
func TestReleaseNames(t *testing.T) {
	const refused = "fullnameOverride: must be set, since the release "
	for _, test := range []struct{ release, set, name, refused string }{
		{release: "bento", set: "replicas=1", name: "bento-ekiben"},
		{release: "1st", set: "replicas=1", refused: refused + `"1st" makes the name "1st-ekiben"`},
		{release: "1st-ekiben", set: "replicas=1", refused: refused + `"1st-ekiben" makes the name "1st-ekiben"`},
		{release: "my.app", set: "replicas=1", refused: refused + `"my.app" makes the name "my.app-ekiben"`},
		{release: "1st", set: "nameOverride=front", refused: refused + `"1st" makes the name "1st-front"`},
		{release: "1st", set: "fullnameOverride=first", name: "first"},
		{release: strings.Repeat("a", 45) + "--b", set: "replicas=1", name: strings.Repeat("a", 45)},
	} {
		out, err := exec.CommandContext(t.Context(), need(t, "helm"), "template", test.release, chart, "--set", test.set).CombinedOutput()
		if (err != nil) != (test.refused != "") || !strings.Contains(string(out), test.refused) {
			t.Errorf("%s, %s: %v\n%s", test.release, test.set, err, out)
		}
		if err == nil && !strings.Contains(string(out), "\n  name: "+test.name+"\n") {
			t.Errorf("%s, %s: nothing is called %s", test.release, test.set, test.name)
		}
	}
}
