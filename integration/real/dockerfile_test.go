package real

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfile reads the Dockerfile with BuildKit.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed := check.Value(parser.Parse(strings.NewReader(read(t, root, "Dockerfile"))))(t)
	if len(parsed.Warnings) > 0 {
		t.Errorf("warnings: %v", parsed.Warnings)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil || len(stages) != 2 || stages[1].BaseName != "scratch" {
		t.Fatalf("%v %+v", err, stages)
	}
	if minor := strings.TrimPrefix(stages[0].BaseName, "golang:"); !strings.Contains(read(t, root, "go.mod"), "\ngo "+minor) {
		t.Errorf("%s is not go.mod's version of Go", stages[0].BaseName)
	}
	return stages
}

// build runs the commands of a stage in a new folder, and returns the folder. If
// program is not empty, it builds that instead of the example.
func build(t *testing.T, stage instructions.Stage, program string) string {
	t.Helper()
	folder, sources, environ := t.TempDir(), "", []string{}
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.ArgCommand:
			for _, arg := range c.Args {
				environ = append(environ, arg.Key+"="+arg.ValueString())
			}
		case *instructions.WorkdirCommand:
			sources = c.Path
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				copyTree(t, filepath.Join(root, source), filepath.Join(folder, sources, c.DestPath, strings.TrimPrefix(source, ".")))
			}
		case *instructions.RunCommand:
			if program != "" && strings.Contains(strings.Join(c.CmdLine, " "), "go build") {
				yours := filepath.Join(folder, sources, "cmd", "yours")
				check.Must(t, errors.Join(os.MkdirAll(yours, 0o755), os.WriteFile(filepath.Join(yours, "main.go"), []byte(program), 0o600)))
				environ = append(environ, "MAIN=./cmd/yours")
			}
			// Only the binary has a path outside of the sources.
			line := strings.ReplaceAll(strings.Join(c.CmdLine, " "), "-o /", "-o "+folder+"/")
			check.Must(t, run(filepath.Join(folder, sources), environ, "sh", "-c", line))
		default:
			t.Errorf("this test does not support %s", command.Name())
		}
	}
	return folder
}

// contained is the process of an image.
type contained struct {
	user             string
	entry, arguments []string
}

// assemble copies the files of a stage out of the folder of build, and returns the
// folder of the image and its process.
func assemble(t *testing.T, stage instructions.Stage, built string) (image string, process contained) {
	t.Helper()
	image = t.TempDir()
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				if strings.HasPrefix(source, "/etc/") {
					continue // from the base image
				}
				copyTree(t, filepath.Join(built, source), filepath.Join(image, c.DestPath))
			}
		case *instructions.UserCommand:
			process.user = c.User
		case *instructions.EntrypointCommand:
			process.entry = c.CmdLine
		case *instructions.CmdCommand:
			process.arguments = c.CmdLine
		case *instructions.ExposeCommand:
			if len(c.Ports) != 1 || c.Ports[0] != "3000" {
				t.Errorf("exposes %v, and 3000 is http.port's default", c.Ports)
			}
		default:
			t.Errorf("this test does not support %s", command.Name())
		}
	}
	check.Must(t, os.Chmod(image, 0o755))
	return image, process
}

// copyTree copies a file, or a folder without the files that .dockerignore names.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	skip := map[string]bool{}
	for line := range strings.Lines(read(t, root, ".dockerignore")) {
		skip[path.Clean(strings.TrimSpace(line))] = true
	}
	check.Must(t, filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
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
	}))
}
