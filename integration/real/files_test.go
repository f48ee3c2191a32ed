package real

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var (
	root   = filepath.Join("..", "..")
	deploy = filepath.Join(root, "deploy")
	chart  = filepath.Join(deploy, "kubernetes", "chart")
)

// read returns the content of a file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	content := check.Value(os.ReadFile(filepath.Join(path...)))(t)
	return string(content)
}

// filled returns a new folder with files.
func filled(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		check.Must(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(content), 0o600)))
	}
	return dir
}

// configFile returns the path of a new configuration file.
func configFile(t *testing.T, content string) string {
	t.Helper()
	if content == "{}" {
		content = "# nothing\n"
	}
	return filepath.Join(filled(t, map[string]string{"config.yaml": content}), "config.yaml")
}
