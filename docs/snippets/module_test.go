package snippets_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// A new module made as docs/getting-started.md says builds the program that it
// shows. What go get would fetch is this checkout.
func TestNewModule(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	blocks, err := documents.Blocks(root, "go")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		if strings.HasSuffix(block.Document, "getting-started.md") && strings.HasPrefix(block.Text, "package main") {
			write(t, filepath.Join(dir, "main.go"), block.Text)
		}
	}
	const module = "github.com/ekiben-serving/ekiben"
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range commands(t, "go mod", "go get") {
		if args := strings.Fields(command.Text); args[1] == "mod" {
			run(args[0], args[1:]...)
		} else if args[2] == module+"@latest" {
			run("go", "mod", "edit", "-replace", module+"="+checkout, "-require", module+"@v0.0.0")
		}
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), string(sums))
	run("go", "vet", ".")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
