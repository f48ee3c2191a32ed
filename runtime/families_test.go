package runtime_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

var update = flag.Bool("update", false, "write the table of families into docs/metrics.md")

var labelName = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)

// The table of docs/metrics.md is of a page that has everything on it.
func TestFamiliesAreDocumented(t *testing.T) {
	var sink points
	remote := httptest.NewServer(&sink)
	defer remote.Close()
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, fmt.Sprintf(`
traffic: {max_concurrency: 9}
metrics: {conventions: [bentoml, http]}
otlp: {enabled: true, endpoint: %q}
tracing: {enabled: true}
logging: {access: {enabled: false}}
shutdown: {idle: 0}
`, remote.URL))
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 4}, nil), runtime.WithSource(config.Source{File: file}))
	eventually(t, "a prediction to be missed", func() bool {
		s.post("/v1/encode", `{"texts":["a"]}`)
		return strings.Contains(s.page(), "ekiben_batch_misprediction")
	})
	s.post("/v1/encode", `{"texts":["panic"]}`) // an error has a label more

	table := "| family | type | labels | what it is |\n|---|---|---|---|\n"
	for family := range strings.SplitSeq(strings.TrimPrefix(s.page(), "# HELP "), "\n# HELP ") {
		name, rest, _ := strings.Cut(family, " ")
		help, rest, _ := strings.Cut(rest, "\n")
		if name == "go_memory_limit_bytes" {
			continue // there if GOMEMLIMIT is
		}
		kind, samples, _ := strings.Cut(strings.TrimPrefix(rest, "# TYPE "+name+" "), "\n")
		var labels []string
		for _, m := range labelName.FindAllStringSubmatch(samples, -1) {
			if label := "`" + m[1] + "`"; m[1] != "le" && !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), strings.TrimSuffix(help, "."))
	}
	const begin, end = "<!-- begin families, written by go test ./runtime -run Families -update -->\n\n", "\n<!-- end families -->"
	document := filepath.Join("..", "docs", "metrics.md")
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(content), begin)
	old, after, closed := strings.Cut(after, end)
	switch {
	case !found || !closed:
		t.Fatalf("%s lacks its marks", document)
	case *update:
		if err := os.WriteFile(document, []byte(before+begin+table+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	case old != table:
		t.Errorf("docs/metrics.md has\n%s\nand the page has\n%s", old, table)
	}
}
