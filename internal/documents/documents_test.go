package documents

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const page = "# Title\n\nRun `go test -run 'A\\|B' ./x`, or `ekiben check FILE`; `curl` alone is a name. `A=b C_1= go run .`\n\n" +
	"```console\n$ go run ./cmd/ekiben serve     # the example\n$ curl -s localhost:3000/metrics\n# HELP a\n…\n```\n\n" +
	"1. A step:\n\n   ```console\n   $ cd integration/real && go test -run X\n   ok\n   ```\n\n" +
	"```\n$ not a console\n```\n\n```go\nfunc main() {\n\tx()\n}\n```\n\n```go\ny()\n```\n"

func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	check.Must(t, os.MkdirAll(filepath.Join(root, "docs", "deep"), 0o750))
	for name, text := range map[string]string{"README.md": page, "docs/deep/a.md": "`make x`\n", "docs/a.txt": "`make y`\n"} {
		check.Must(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	return root
}

func TestCommands(t *testing.T) {
	got := check.Value(Commands(tree(t)))(t)
	want := []Command{
		{"README.md", 3, "go test -run 'A|B' ./x", "", true},
		{"README.md", 3, "ekiben check FILE", "", true},
		{"README.md", 3, "A=b C_1= go run .", "", true},
		{"README.md", 6, "go run ./cmd/ekiben serve", "", false},
		{"README.md", 7, "curl -s localhost:3000/metrics", "# HELP a\n…\n", false},
		{"README.md", 15, "cd integration/real && go test -run X", "ok\n", false},
		{"docs/deep/a.md", 1, "make x", "", true},
	}
	check.Equal(t, got, want)
	var tools []string
	for _, command := range got {
		tools = append(tools, command.Tool())
	}
	if want := []string{"go test", "ekiben", "go run .", "ekiben", "curl", "go test", "make"}; !reflect.DeepEqual(tools, want) {
		t.Errorf("tools: got %q, want %q", tools, want)
	}
	if variables, text := got[2].Environment(); len(variables) != 2 || variables[1] != "C_1=" || text != "go run ." {
		t.Errorf("got %q for %q", variables, text)
	}
	if folder, text := got[5].Folder(); folder != "integration/real" || text != "go test -run X" {
		t.Errorf("got %q in %q", text, folder)
	}
}

func TestCommandsOfOneTool(t *testing.T) {
	got, err := Commands(tree(t), "make", "curl")
	if err != nil || len(got) != 2 || got[0].Line != 7 || got[1].Text != "make x" {
		t.Errorf("got %+v %v", got, err)
	}
}

func TestWords(t *testing.T) {
	got := Words(`curl -d '{"a": "b c"}' -H 'x: y' z`)
	check.Equal(t, got, []string{"curl", "-d", `{"a": "b c"}`, "-H", "x: y", "z"})
}

func TestBlocks(t *testing.T) {
	got := check.Value(Blocks(tree(t), "go"))(t)
	want := []Block{{"README.md", 24, "func main() {\n\tx()\n}\n"}, {"README.md", 30, "y()\n"}}
	check.Equal(t, got, want)
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		shown, text string
		want        bool
	}{
		{"a.b\n", "a.b", true},
		{"a.b", "acb", false},
		{"a\n…\nz", "a\n1\n2\nz\n", true},
		{"a\n…", "b\na\n1", false},
		{"a", "a\nb", false},
	} {
		if got := Matches(c.shown, c.text); got != c.want {
			t.Errorf("%q shown for %q: %v", c.shown, c.text, got)
		}
	}
}
