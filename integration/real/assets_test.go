package real

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
)

// assets writes the files of `ekiben assets` into a folder.
func assets(t *testing.T, options ...string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if out, err := tool(t, "ekiben", append([]string{"assets", folder}, options...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return folder
}

// TestDocumentedPrometheus starts Prometheus with the documented command, on the
// files of `ekiben assets`. Prometheus must load every rule.
func TestDocumentedPrometheus(t *testing.T) {
	for _, documented := range shown(t, "prometheus") {
		dir, port := t.TempDir(), freePort(t)
		check.Must(t, run(dir, nil, need(t, "ekiben"), "assets", "assets"))
		cmd := command(t, "prometheus3", append(documents.Words(documented.Text)[1:], "--web.listen-address=127.0.0.1:"+strconv.Itoa(port), "--storage.tsdb.path="+filepath.Join(dir, "data"))...)
		cmd.Dir = dir
		s := server{name: documented.String(), url: local(port)}
		start(t, s.url+"/-/ready", cmd)
		if rules := rulesOf(t, s); len(rules) != 26 {
			t.Errorf("%s: %d rules", documented, len(rules))
		}
	}
}
