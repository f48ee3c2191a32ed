package real

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

var (
	root   = filepath.Join("..", "..")
	deploy = filepath.Join(root, "deploy")
	chart  = filepath.Join(deploy, "kubernetes", "chart")
)

// read returns the content of a file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// filled returns a new folder with files.
func filled(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
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
