package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/deploy"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// The files of the default options are those in the folders.
func TestFilesAreTheDefaults(t *testing.T) {
	for _, o := range []deploy.Options{{}, {Namespace: "bentoml_service", SLO: 1, Objective: 0.99}} {
		files, err := deploy.Files(o)
		if err != nil || len(files) < 5 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for name, content := range files {
			if want, err := os.ReadFile(filepath.FromSlash(name)); err != nil || !bytes.Equal(content, want) {
				t.Errorf("%s differs: %v", name, err)
			}
		}
	}
}

// Every file has the namespace, boundary and objective of the options.
func TestOptions(t *testing.T) {
	files, err := deploy.Files(deploy.Options{Namespace: "my-team", SLO: 0.3, Objective: 0.999})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if strings.Contains(string(content), "bentoml_service") || strings.Contains(string(content), "0.99)") || strings.Contains(string(content), "[.]0\"") {
			t.Errorf("%s still has a default", name)
		}
	}
	rules := string(files["prometheus/rules.yml"])
	for _, want := range []string{"- name: my_team-objectives\n", "record: my_team:requests:rate5m\n", "metrics_namespace: my_team}", "my_team_request_total{", `my_team_request_duration_seconds_bucket{le="0.3",`, "> 14.4 * (1 - 0.999) and"} {
		if !strings.Contains(rules, want) {
			t.Errorf("the rules lack %s", want)
		}
	}
	uid := regexp.MustCompile(`"uid": "(ekiben-[^"]*)"`)
	for namespace, want := range map[string]string{
		"my_team":               "ekiben-my_team",
		"a:b":                   "ekiben-a-b-08bd8540",
		strings.Repeat("n", 33): "ekiben-" + strings.Repeat("n", 33),
		strings.Repeat("n", 34): "ekiben-" + strings.Repeat("n", 24) + "-d6d9660d",
	} {
		files, err := deploy.Files(deploy.Options{Namespace: namespace})
		if found := uid.FindStringSubmatch(string(files["grafana/dashboard.json"])); err != nil || len(found) == 0 || found[1] != want {
			t.Errorf("%s: the dashboard's uid is %v, want %s (%v)", namespace, found, want, err)
		}
	}
	_, err = deploy.Files(deploy.Options{Namespace: "9 lives", SLO: -1, Objective: 99})
	for _, want := range []string{"namespace: must ", "slo: must be a number of seconds greater than 0, found -1", "objective: must be between 0.931 and 1, such as 0.99, found 99"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	paths, err := deploy.Write(dir, deploy.WriteOptions{})
	if err != nil || len(paths) < 5 {
		t.Fatal(paths, err)
	}
	if _, err := deploy.Write(dir, deploy.WriteOptions{}); err != nil {
		t.Errorf("the same again: %v", err)
	}
	mine := filepath.Join(dir, "prometheus", "rules.yml")
	check.Must(t, os.WriteFile(mine, []byte("mine"), 0o600))
	if _, err := deploy.Write(dir, deploy.WriteOptions{Options: deploy.Options{Namespace: "other"}}); !errors.Is(err, deploy.ErrExists) || !strings.Contains(err.Error(), mine) {
		t.Errorf("got %v", err)
	}
	if content, _ := os.ReadFile(mine); string(content) != "mine" {
		t.Errorf("%s was written over", mine)
	}
	if _, err := deploy.Write(dir, deploy.WriteOptions{Overwrite: true}); err != nil {
		t.Error(err)
	}
}

// Every query is PromQL, and every alert has a runbook.
func TestQueriesAndRunbooks(t *testing.T) {
	files := check.Value(deploy.Files(deploy.Options{}))(t)
	var dashboard struct {
		Panels []struct {
			ID      int    `json:"id"`
			Type    string `json:"type"`
			GridPos struct {
				X int `json:"x"`
				Y int `json:"y"`
				W int `json:"w"`
				H int `json:"h"`
			} `json:"gridPos"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	check.Must(t, json.Unmarshal(files["grafana/dashboard.json"], &dashboard))
	taken := map[[2]int]int{}
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d has no query", p.ID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, is := taken[[2]int{x, y}]; is || x >= 24 {
					t.Fatalf("panels %d and %d overlap", other, p.ID)
				}
				taken[[2]int{x, y}] = p.ID
			}
		}
	}
	queries, err1 := migrate.Read("dashboard", files["grafana/dashboard.json"])
	rules, err2 := migrate.Read("rules", files["prometheus/rules.yml"])
	page, err3 := migrate.Parse("page", []byte("up 1\n"), "")
	check.Must(t, errors.Join(err1, err2, err3))
	for _, f := range migrate.NewReport(page, page, append(queries, rules...), migrate.Options{}).Findings {
		if f.Unchecked {
			t.Errorf("%s: %s", f.Where, f.Text)
		}
	}
	alerts := regexp.MustCompile(`(?m)alert: (\w+)$`).FindAllStringSubmatch(string(files["prometheus/rules.yml"]), -1)
	for _, alert := range alerts {
		text, err := os.ReadFile(filepath.Join("..", "docs", "runbooks", alert[1]+".md"))
		if err != nil || !strings.HasPrefix(string(text), "# "+alert[1]+"\n") {
			t.Errorf("%s has no runbook: %v", alert[1], err)
		}
		if !strings.Contains(string(files["prometheus/rules.yml"]), "/docs/runbooks/"+alert[1]+".md") {
			t.Errorf("%s does not name its runbook", alert[1])
		}
	}
	if len(alerts) < 14 {
		t.Errorf("%d alerts", len(alerts))
	}
}

// Every selector of the dashboard selects the chosen job. Selectors of requests
// leave out the same paths as the rules.
func TestSelectors(t *testing.T) {
	files := check.Value(deploy.Files(deploy.Options{}))(t)
	queries := check.Value(migrate.Read("dashboard", files["grafana/dashboard.json"]))(t)
	dashboard := strings.ReplaceAll(string(files["grafana/dashboard.json"]), `\"`, `"`)
	exprs := regexp.MustCompile(`(?m)"expr": "(.*)",$`).FindAllStringSubmatch(dashboard, -1)
	if len(exprs) < 25 || len(exprs) > len(queries) {
		t.Fatalf("%d expressions, %d queries", len(exprs), len(queries))
	}
	probes := regexp.MustCompile(`endpoint!~"([^"]*)"`).FindStringSubmatch(string(files["prometheus/rules.yml"]))[1]
	if !strings.Contains(dashboard, `"value": "`+probes+`"`) {
		t.Errorf("$probes is not %s", probes)
	}
	selector := regexp.MustCompile(`(\w+)\{([^}]*)\}`)
	for _, expr := range exprs {
		for _, found := range selector.FindAllStringSubmatch(expr[1], -1) {
			name, matchers := found[1], found[2]
			if !strings.Contains(matchers, `job=~"$job"`) {
				t.Errorf("%s selects every job: %s", name, expr[1])
			}
			counted := []string{`exported_endpoint="",endpoint=~"$endpoint",endpoint!~"$probes"`, `exported_endpoint=~"$endpoint",exported_endpoint!~"|$probes"`,
				`endpoint!~"` + probes + `",exported_endpoint!~"` + probes + `"`}
			if strings.HasPrefix(name, "bentoml_service_request_") && !slices.ContainsFunc(counted, func(s string) bool { return strings.HasSuffix(matchers, s) }) {
				t.Errorf("%s counts probes: %s", name, expr[1])
			}
		}
	}
}

// le is written with an exponent, as in /metrics.
func TestBoundaryOfASmallObjective(t *testing.T) {
	files := check.Value(deploy.Files(deploy.Options{SLO: 5e-5}))(t)
	if rules := string(files["prometheus/rules.yml"]); !strings.Contains(rules, `le="5e-05"`) {
		t.Error("the rules do not select le=\"5e-05\"")
	}
}
