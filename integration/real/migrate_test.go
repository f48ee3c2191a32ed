package real

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
)

// TestMigrating sends the same requests to a BentoML service and to the twin. Then
// migrate-check must find no unexplained difference, for our dashboard and rules
// and for those of other people.
func TestMigrating(t *testing.T) {
	bentoml, twin := pair(t, nil)
	for _, base := range []string{bentoml, twin} {
		drive(t, base)
		send(t, "GET", base+"/livez", "")
	}
	recorded := filepath.Join(root, "integration", "twin", "testdata")
	args := []string{"migrate-check", bentoml + "/metrics", twin + "/metrics", "--output", "json",
		"--dashboards", filepath.Join(recorded, "dashboard.json"), "--rules", filepath.Join(recorded, "rules.yaml"),
		"--dashboards", filepath.Join(deploy, "grafana", "dashboard.json"), "--rules", filepath.Join(deploy, "prometheus", "rules.yml"),
		"--ignore", "{worker_index}"}
	out, err := command(t, "ekiben", args...).Output()
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
		if f.Because == "" && !strings.Contains(f.Selector, "ekiben_") && !strings.Contains(f.Selector, "go_") { // which only one side has
			t.Errorf("%s: %s %s %v %v", f.Where, f.Text, f.Selector, f.Lost, f.Gained)
		}
	}
	if report.Queries < 60 {
		t.Errorf("%d queries", report.Queries)
	}
}

// TestMigratingAsDocumented writes the files that docs/migrating.md shows, starts
// both servers with them, and runs the documented requests and commands.
func TestMigratingAsDocumented(t *testing.T) {
	const document = "migrating.md"
	root := check.Value(filepath.Abs(filepath.Join("..", "..")))(t)
	dir := t.TempDir()
	for language, file := range map[string]string{"python": "service.py", "go": "main.go", "yaml": "bentoml_configuration.yaml"} {
		blocks := check.Value(documents.Blocks(root, language))(t)
		for _, block := range blocks {
			if filepath.Base(block.Document) == document {
				check.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(block.Text), 0o600))
			}
		}
	}
	binary := filepath.Join(dir, "main")
	check.Must(t, run(root, nil, "go", "build", "-o", binary, filepath.Join(dir, "main.go")))
	configured := "BENTOML_CONFIG=" + filepath.Join(dir, "bentoml_configuration.yaml")
	ports := [2]int{freePort(t), freePort(t)}
	before, after := local(ports[0]), local(ports[1])
	serve := slices.DeleteFunc(shown(t, "bentoml"), func(c documents.Command) bool { return filepath.Base(c.Document) != document })
	if len(serve) != 1 {
		t.Fatalf("%d commands of bentoml are documented: %v", len(serve), serve)
	}
	startBentoMLIn(t, dir, ports[0], []string{configured}, documents.Words(serve[0].Text)[1:]...)
	cmd := program(binary)
	cmd.Env = append(cmd.Env, configured, "EKIBEN_HTTP__HOST=127.0.0.1", "EKIBEN_HTTP__PORT="+strconv.Itoa(ports[1]))
	start(t, after+"/readyz", cmd)

	text := read(t, root, "docs", document)
	requests := regexp.MustCompile(`(?m)^\$ curl .* localhost:3000(/\S+) .*-d '(.*)'$`).FindAllStringSubmatch(text, -1)
	if len(requests) < 3 {
		t.Fatalf("%d requests are documented", len(requests))
	}
	for _, r := range append(requests,
		[]string{"", "/summarize", `{"text": "Eine Kätzchenkönigin sprang fünf Meter."}`}, []string{"", "/encode", `{"texts": ["é", "日本", ""]}`}) {
		if a, b := responseOf(t, before+r[1], r[2]), responseOf(t, after+r[1], r[2]); a != b {
			t.Errorf("%s %s: BentoML responds %s, the new service %s", r[1], r[2], a, b)
		}
	}
	for _, shown := range regexp.MustCompile(`(?m)^\$ curl .* localhost:3000(/\S+) .*-d '(.*)'\n([^$`+"`"+`].*)$`).FindAllStringSubmatch(text, -1) {
		if got := responseOf(t, after+shown[1], shown[2]); got != "200 "+shown[3] {
			t.Errorf("%s %s: the response is %s, the document shows %s", shown[1], shown[2], got, shown[3])
		}
	}
	check.OK(t, run(dir, []string{configured}, need(t, "ekiben"), "check", "--service", "Summarization"))
	recorded := filepath.Join(root, "integration", "twin", "testdata")
	check.OK(t, run(dir, nil, need(t, "ekiben"), "migrate-check", before+"/metrics", after+"/metrics", "--ignore", "{worker_index}",
		"--dashboards", filepath.Join(recorded, "dashboard.json"), "--rules", filepath.Join(recorded, "rules.yaml")))
}

// responseOf returns the status of a response and, for 200, its body. JSON is
// compacted.
func responseOf(t *testing.T, url, body string) string {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	said := check.Value(io.ReadAll(res.Body))(t)
	if res.StatusCode != http.StatusOK {
		return strconv.Itoa(res.StatusCode)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, said) == nil {
		said = compact.Bytes()
	}
	return fmt.Sprintf("%d %s", res.StatusCode, said)
}
