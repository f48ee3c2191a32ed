package real

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var update = flag.Bool("update", false, "write reports, schemas and pictures into the repository")

// published compares a report with the one between its marks in
// docs/compatibility.md. With -update it writes the report there.
func published(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(root, "docs", "compatibility.md")
	begin, end := "<!-- begin "+name+", written by integration/real -->\n", "<!-- end "+name+" -->\n"
	before, rest, found := strings.Cut(read(t, file), begin)
	stands, after, also := strings.Cut(rest, end)
	if !found || !also {
		t.Fatalf("%s lacks %s or %s", file, begin, end)
	}
	text = "\n" + text + "\n"
	if !*update {
		if stands != text {
			t.Errorf("%s differs from the measurement; go test -run 'MixedFleet|Routes' -update writes it:\n%s", file, text)
		}
		return
	}
	check.Must(t, os.WriteFile(file, []byte(before+begin+text+end+after), 0o644))
}
