package real

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// run runs a command in a folder. Its error has the output.
func run(dir string, environ []string, command ...string) error {
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}

func install(module string) func(dir, path string) error {
	return func(dir, _ string) error {
		return run(dir, []string{"GOBIN=" + filepath.Join(dir, "bin"), "GOFLAGS="}, "go", "install", "-tags", "remove_all_sd", "-ldflags", "-s -w", module)
	}
}

// debian unpacks a Debian package without installing it.
func debian(name, folder string) func(dir, path string) error {
	return func(dir, _ string) error {
		at, err := os.MkdirTemp(dir, "deb")
		if err != nil {
			return err
		}
		defer os.RemoveAll(at)  //nolint:errcheck // a temporary folder
		_ = os.Chmod(at, 0o777) //nolint:gosec // apt downloads as a user of its own
		if err := run(at, nil, "apt-get", "download", name); err != nil {
			if again := errors.Join(run(at, nil, "apt-get", "update"), run(at, nil, "apt-get", "download", name)); again != nil {
				return again
			}
		}
		files, err := filepath.Glob(filepath.Join(at, "*.deb"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("found %d packages: %w", len(files), err)
		}
		return run(at, nil, "dpkg-deb", "-x", files[0], filepath.Join(dir, folder))
	}
}

// python makes a virtual environment with packages. It installs Debian's
// python3-venv if that is missing.
func python(folder string, packages ...string) func(dir, path string) error {
	return func(dir, _ string) error {
		at := filepath.Join(dir, folder)
		if err := run(dir, nil, "python3", "-m", "venv", at); err != nil {
			installed := errors.Join(run(dir, nil, "apt-get", "update"), run(dir, nil, "apt-get", "install", "-y", "--no-install-recommends", "python3-venv"))
			if again := run(dir, nil, "python3", "-m", "venv", "--clear", at); again != nil {
				return errors.Join(err, installed, again)
			}
		}
		return run(dir, nil, append([]string{filepath.Join(at, "bin", "pip"), "install", "-q"}, packages...)...)
	}
}

// sourceOf downloads a module and returns its folder.
func sourceOf(module string) (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w\n%s", module, err, out)
	}
	var found struct {
		Dir string `json:"Dir"`
	}
	err = json.Unmarshal(out, &found)
	return found.Dir, err
}
