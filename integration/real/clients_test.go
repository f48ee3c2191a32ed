package real

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// prints runs a program and decodes the last line of its output.
func prints(t *testing.T, command ...string) map[string]any {
	t.Helper()
	cmd := program(command[0], command[1:]...)
	cmd.Env = append(cmd.Env, "BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME="+t.TempDir())
	var stderr output
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command[1], err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var printed map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &printed); err != nil {
		t.Fatalf("%s printed %s: %v", command[1], out, err)
	}
	return printed
}

// TestClients calls BentoML and the twin with BentoML's own client and with
// Datadog's check. Both must return the same from either server.
func TestClients(t *testing.T) {
	bentoml, twin := pair(t, nil)
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
	for key := range theirs { // measured times differ
		if got, there := ours[key]; there && strings.Contains(key, "duration.") && !strings.Contains(key, "duration.count") {
			theirs[key] = got
		}
	}
	alike(t, "Datadog's check", theirs, ours)
}

// TestClientsOfStreams calls the streams of BentoML and of the twin with BentoML's own
// clients. A stream that fails in its middle differs, as docs/compatibility.md says, and
// is not called.
func TestClientsOfStreams(t *testing.T) {
	ports := [2]int{freePort(t), freePort(t)}
	startBentoMLIn(t, "testdata", ports[0], nil, "serve", "kinds:Kinds")
	startTwin(t, ports[1], "--app=kinds", "traffic.timeout=5")
	python := filepath.Join(filepath.Dir(need(t, "bentoml")), "python")
	theirs, ours := prints(t, python, "testdata/streams.py", local(ports[0])), prints(t, python, "testdata/streams.py", local(ports[1]))
	if len(theirs) != 22 || theirs["sync"] != "käse brot " {
		t.Errorf("the clients at BentoML: %v", theirs)
	}
	alike(t, "BentoML's clients", theirs, ours)
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

// TestPromtool lints /metrics with promtool. It may find in the twin only what it
// finds in BentoML.
func TestPromtool(t *testing.T) {
	bentoml, twin := pair(t, nil)
	lint := func(base string) map[string]bool {
		drive(t, base)
		_, text := exposition(t, base+"/metrics", "text/plain")
		cmd := command(t, "promtool", "check", "metrics")
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
