package real

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// TestDocumentedPrometheus starts Prometheus as the documentation says, on what
// `ekiben assets` wrote: it has every rule.
func TestDocumentedPrometheus(t *testing.T) {
	for _, command := range shown(t, "prometheus") {
		dir, port := t.TempDir(), freePort(t)
		if err := run(dir, nil, need(t, "ekiben"), "assets", "assets"); err != nil {
			t.Fatal(err)
		}
		args := append(documents.Words(command.Text)[1:], "--web.listen-address=127.0.0.1:"+strconv.Itoa(port), "--storage.tsdb.path="+filepath.Join(dir, "data"))
		s := server{name: command.String(), url: local(port)}
		startIn(t, dir, s.url+"/-/ready", append([]string{need(t, "prometheus3")}, args...)...)
		if rules := rulesOf(t, s); len(rules) != 24 {
			t.Errorf("%s: %d rules", command, len(rules))
		}
	}
}
