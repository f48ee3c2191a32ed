package real

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// pair starts one real BentoML and one twin.
func pair(t *testing.T) (bentoml, twin string) {
	t.Helper()
	ports := [2]int{freePort(t), freePort(t)}
	service, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	bentoml, twin = local(ports[0]), local(ports[1])
	start(t, bentoml+"/readyz", []string{"BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME=" + t.TempDir()},
		need(t, "bentoml"), "serve", "service:Summarization", "--working-dir", service, "-p", strconv.Itoa(ports[0]), "--host", "127.0.0.1")
	start(t, twin+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(ports[1]), "--set", "traffic.timeout=5", "--set", "logging.access.enabled=false")
	return bentoml, twin
}

// prints runs a program and reads the JSON that it prints last.
func prints(t *testing.T, command ...string) map[string]any {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(cmd.Environ(), "BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command[1], err, tail(stderr.String()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var printed map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &printed); err != nil {
		t.Fatalf("%s printed %s: %v", command[1], out, err)
	}
	return printed
}

// TestClients has clients that were written for BentoML at both: its own, and
// Datadog's agent. They cannot tell which is which.
func TestClients(t *testing.T) {
	bentoml, twin := pair(t)
	python := filepath.Join(filepath.Dir(need(t, "bentoml")), "python")
	theirs, ours := prints(t, python, "testdata/client.py", bentoml), prints(t, python, "testdata/client.py", twin)
	if len(theirs) != 11 || theirs["summarize"] != "HELLO" {
		t.Errorf("SyncHTTPClient at BentoML: %v", theirs)
	}
	alike(t, "SyncHTTPClient", theirs, ours)

	datadog := need(t, "datadog")
	theirs, ours = prints(t, datadog, "testdata/datadog.py", bentoml), prints(t, datadog, "testdata/datadog.py", twin)
	if len(theirs) < 10 {
		t.Errorf("Datadog's check at BentoML: %v", theirs)
	}
	for key := range theirs { // what is measured, not counted
		if got, there := ours[key]; there && strings.Contains(key, "duration.") && !strings.Contains(key, "duration.count") {
			theirs[key] = got
		}
	}
	alike(t, "Datadog's check", theirs, ours)
}

func alike(t *testing.T, what string, theirs, ours map[string]any) {
	t.Helper()
	for key, want := range theirs {
		if got, there := ours[key]; !there || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s: BentoML %v, twin %v", what, key, want, got)
		}
	}
	for key, got := range ours {
		if _, there := theirs[key]; !there {
			t.Errorf("%s: %s: twin %v, BentoML has none", what, key, got)
		}
	}
}

// TestPromtool has Prometheus's own linter read the page: it finds nothing in
// what we named, and in BentoML's families what it finds on BentoML's page.
func TestPromtool(t *testing.T) {
	bentoml, twin := pair(t)
	lint := func(base string) map[string]bool {
		drive(t, base)
		_, text := page(t, base+"/metrics", "text/plain")
		cmd := exec.CommandContext(t.Context(), need(t, "promtool"), "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		out, _ := cmd.CombinedOutput() // fails if it finds something
		found := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			found[strings.TrimSpace(line)] = true
		}
		return found
	}
	theirs, ours := lint(bentoml), lint(twin)
	for line := range ours {
		if !theirs[line] && !strings.HasPrefix(line, "go_goroutine_count ") { // OpenTelemetry's name
			t.Errorf("promtool: %s", line)
		}
	}
}
