package real

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMigrating goes the way of docs/migrating.md with a BentoML service beside:
// the same requests to both, and then what would be noticed by our dashboard
// and rules, and by those of other people.
func TestMigrating(t *testing.T) {
	bentoml, twin := pair(t)
	for _, base := range []string{bentoml, twin} {
		drive(t, base)
		send(t, "GET", base+"/livez", "")
	}
	recorded := filepath.Join("..", "twin", "testdata")
	args := []string{"migrate-check", bentoml + "/metrics", twin + "/metrics", "--output", "json",
		"--dashboards", filepath.Join(recorded, "dashboard.json"), "--rules", filepath.Join(recorded, "rules.yaml"),
		"--dashboards", filepath.Join(deploy, "grafana", "dashboard.json"), "--rules", filepath.Join(deploy, "prometheus", "rules.yml"),
		"--ignore", "{worker_index}"}
	out, err := exec.CommandContext(t.Context(), need(t, "ekiben"), args...).Output()
	var report struct {
		Counted  int `json:"counted"`
		Queries  int `json:"queries"`
		Findings []struct {
			Where    string   `json:"where"`
			Selector string   `json:"selector"`
			Text     string   `json:"text"`
			Because  string   `json:"because"`
			Lost     []string `json:"lost"`
			Gained   []string `json:"gained"`
		} `json:"findings"`
		Differences []struct {
			Kind    string   `json:"kind"`
			Family  string   `json:"family"`
			Label   string   `json:"label"`
			Because string   `json:"because"`
			Old     []string `json:"old"`
			New     []string `json:"new"`
		} `json:"differences"`
	}
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatalf("%v %v\n%s", err, jsonErr, out)
	}
	for _, d := range report.Differences {
		if d.Because == "" {
			t.Errorf("%s%s: %s %v %v", d.Family, d.Label, d.Kind, d.Old, d.New)
		}
	}
	for _, f := range report.Findings {
		if f.Because == "" && !strings.Contains(f.Selector, "ekiben_") && !strings.Contains(f.Selector, "go_") { // which only one of them has
			t.Errorf("%s: %s %s %v %v", f.Where, f.Text, f.Selector, f.Lost, f.Gained)
		}
	}
	if report.Queries < 60 {
		t.Errorf("%d queries", report.Queries)
	}
}
