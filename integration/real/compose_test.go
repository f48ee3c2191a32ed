package real

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCompose finds every file that the compose file mounts, and has the
// Collector read its own.
func TestCompose(t *testing.T) {
	dir := filepath.Join(deploy, "compose")
	content, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	var compose struct {
		Services map[string]struct {
			Volumes []string `yaml:"volumes"`
		} `yaml:"services"`
	}
	if err != nil || yaml.Unmarshal(content, &compose) != nil || len(compose.Services) != 4 {
		t.Fatalf("%v %v", err, compose)
	}
	for name, service := range compose.Services {
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), need(t, "collector"), "validate", "--config", filepath.Join(dir, "collector.yaml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
