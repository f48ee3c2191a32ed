package real

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDashboardTypes has TypeScript check the dashboard against the types that
// Grafana publishes. An enumeration has no literal in JSON, so that it is named.
func TestDashboardTypes(t *testing.T) {
	compiler := need(t, "grafana")
	content, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	dashboard := strings.ReplaceAll(string(content), `"mode": "absolute"`, `"mode": ThresholdsMode.Absolute`)
	check := func(dashboard string) (string, error) {
		file, err := os.CreateTemp(filepath.Join(filepath.Dir(compiler), "..", ".."), "check*.ts") // beside the types
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Remove(file.Name()) }()
		text := "import { type Dashboard, ThresholdsMode } from '@grafana/schema';\nexport const dashboard: Dashboard = " + dashboard + ";\nexport const mode = ThresholdsMode;\n"
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		out, err := exec.CommandContext(t.Context(), compiler, "--noEmit", "--strict", "--skipLibCheck", file.Name()).CombinedOutput()
		return string(out), err
	}
	if out, err := check(dashboard); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := check(strings.Replace(dashboard, `"gridPos"`, `"gridPosition"`, 1)); err == nil {
		t.Error("a panel without its place is accepted")
	}
}
