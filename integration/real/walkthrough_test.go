package real

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// TestWalkthrough runs each command of docs/models.md in an empty folder, with this checkout as the
// module, and compares what they print.
func TestWalkthrough(t *testing.T) {
	for _, tool := range []string{"cc", "curl", "python3", "xargs"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("it needs %s", tool)
		}
	}
	folder, port := t.TempDir(), freePort(t)
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := documents.Blocks(root, "go")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		if block.Document == documents.Walkthrough && strings.HasPrefix(block.Text, "//") {
			if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(block.Text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	steps, err := documents.Steps(root)
	if err != nil || len(steps) == 0 {
		t.Fatalf("%d steps: %v", len(steps), err)
	}
	const module = "github.com/ekiben-serving/ekiben"
	changes := strings.NewReplacer("go get "+module+"@latest", "go mod edit -replace "+module+"="+checkout+" -require "+module+"@v0.0.0",
		"localhost:3000", strings.TrimPrefix(local(port), "http://"), "pidof filetypes", "cat service.pid", "go build", "go mod tidy && go build")
	var served process
	for _, step := range steps {
		cmd := program("bash", "-c", changes.Replace(step.Text))
		cmd.Dir = folder
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod", "EKIBEN_HTTP__PORT="+strconv.Itoa(port))
		if strings.HasPrefix(step.Text, "./") {
			service := program("./filetypes", "serve")
			service.Dir, service.Env = cmd.Dir, cmd.Env
			served = start(t, local(port)+"/readyz", service)
			if err := os.WriteFile(filepath.Join(folder, "service.pid"), []byte(strconv.Itoa(service.Process.Pid)), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var printed, failed bytes.Buffer
		cmd.Stdout, cmd.Stderr = &printed, &failed
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", step, err, failed.String())
		}
		if step.Shown != "" && !documents.Matches(step.Shown, printed.String()) {
			t.Errorf("%s\nshown:\n%s\nprinted:\n%s", step, step.Shown, printed.String())
		}
	}
	<-served.ended // the last step drains it
	if !served.cmd.ProcessState.Success() {
		t.Errorf("the service ended with %s", served.cmd.ProcessState)
	}
}
