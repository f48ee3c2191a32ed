package real

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// TestImage does what `docker build` and `docker run --read-only` would do with
// the Dockerfile, as far as that can be had without a container engine: BuildKit
// reads it; its commands run in a copy of what .dockerignore leaves; the last
// stage's files, and no others, are the root of a process that is not root. The
// example answers there.
func TestImage(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("warnings: %v", parsed.Warnings)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil || len(stages) != 2 || stages[1].BaseName != "scratch" {
		t.Fatalf("%v %+v", err, stages)
	}
	version, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if minor := strings.TrimPrefix(stages[0].BaseName, "golang:"); err != nil || !strings.Contains(string(version), "\ngo "+minor) {
		t.Errorf("%s is not go.mod's Go: %v", stages[0].BaseName, err)
	}

	build, image := t.TempDir(), t.TempDir()
	sources, args := "", []string{}
	for _, command := range stages[0].Commands {
		switch c := command.(type) {
		case *instructions.ArgCommand:
			for _, arg := range c.Args {
				args = append(args, arg.Key+"="+arg.ValueString())
			}
		case *instructions.WorkdirCommand:
			sources = c.Path
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				copyTree(t, filepath.Join(root, source), filepath.Join(build, sources, c.DestPath, strings.TrimPrefix(source, ".")))
			}
		case *instructions.RunCommand:
			// The only path outside of the sources is the binary's.
			line := strings.ReplaceAll(strings.Join(c.CmdLine, " "), "-o /", "-o "+build+"/")
			if err := run(filepath.Join(build, sources), args, "sh", "-c", line); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("this test does not know %s", command.Name())
		}
	}
	user, entry, arguments := "", []string{}, []string{}
	for _, command := range stages[1].Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				from := filepath.Join(build, source)
				if strings.HasPrefix(source, "/etc/") {
					continue // the base image's; this machine's may lie elsewhere
				}
				copyTree(t, from, filepath.Join(image, c.DestPath))
			}
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = c.CmdLine
		case *instructions.CmdCommand:
			arguments = c.CmdLine
		case *instructions.ExposeCommand:
			if len(c.Ports) != 1 || c.Ports[0] != "3000" {
				t.Errorf("exposes %v, and 3000 is http.port's default", c.Ports)
			}
		default:
			t.Errorf("this test does not know %s", command.Name())
		}
	}
	if len(entry) != 1 || user != "65532:65532" {
		t.Fatalf("runs %q as %q", entry, user)
	}
	binary, err := elf.Open(filepath.Join(image, entry[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs %v, %v", libraries, err)
	}
	port := freePort(t)
	environ := []string{fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port)}
	if os.Getuid() != 0 {
		start(t, local(port)+"/readyz", environ, append([]string{filepath.Join(image, entry[0])}, arguments...)...)
		return
	}
	if err := os.Chmod(image, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), entry[0], arguments...)
	cmd.Env = environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	launch(t, local(port)+"/readyz", cmd)
	if got, err := post(t.Context(), local(port)+"/summarize", `{"text": "One. Two."}`); got != 200 {
		t.Errorf("got %d, %v", got, err)
	}
}

// copyTree copies a file, or a folder without what .dockerignore names.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	skip := map[string]bool{}
	for line := range strings.Lines(string(ignored)) {
		skip[path.Clean(strings.TrimSpace(line))] = true
	}
	err = filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if skip[filepath.ToSlash(below)] {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, below)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}
