package snippets_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
)

// A new module made as in docs/getting-started.md builds the program shown there, with
// this checkout in place of the module that go get fetches.
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
	blocks := check.Value(documents.Blocks(root, "go"))(t)
	for _, block := range blocks {
		if strings.HasSuffix(block.Document, "getting-started.md") && strings.HasPrefix(block.Text, "package main") {
			write(t, filepath.Join(dir, "main.go"), block.Text)
		}
	}
	const module = "github.com/ekiben-serving/ekiben"
	checkout := check.Value(filepath.Abs(root))(t)
	for _, command := range commands(t, "go mod", "go get") {
		if args := strings.Fields(command.Text); args[1] == "mod" {
			run(args[0], args[1:]...)
		} else if args[2] == module+"@latest" {
			run("go", "mod", "edit", "-replace", module+"="+checkout, "-require", module+"@v0.0.0")
		}
	}
	sums := check.Value(os.ReadFile(filepath.Join(root, "go.sum")))(t)
	write(t, filepath.Join(dir, "go.sum"), string(sums))
	run("go", "vet", ".")
	for _, command := range commands(t, "go install") {
		path, latest := strings.CutSuffix(strings.Fields(command.Text)[2], "@latest")
		if !latest {
			t.Errorf("%s: must install the latest", command)
		}
		run("go", "build", "-o", filepath.Join(dir, "installed"), path)
	}
	run("go", "build", "-o", filepath.Join(dir, "program"), ".") // which go run does, in a process that passes no signal on
	for _, command := range commands(t, "go run .") {
		variables, _ := command.Environment()
		serves(t, filepath.Join(dir, "program"), variables)
	}
}

// serves starts a program with the settings of a document, on a free port, checks its
// responses, and ends it.
func serves(t *testing.T, program string, variables []string) {
	t.Helper()
	port, given := freePort(t), false
	for i, v := range variables {
		if name, _, _ := strings.Cut(v, "="); name == "EKIBEN_HTTP__PORT" {
			variables[i], given = name+"="+port, true
		}
	}
	if !given {
		t.Fatalf("%q sets no port", variables)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it ends a program that hangs
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), variables...)
	check.Must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		res, err := http.Get("http://127.0.0.1:" + port + "/readyz") //nolint:noctx // loopback
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("%q ends before it is ready: %v", variables, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	check.Must(t, cmd.Process.Signal(os.Interrupt))
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func write(t *testing.T, name, text string) {
	t.Helper()
	check.Must(t, os.WriteFile(name, []byte(text), 0o600))
}
