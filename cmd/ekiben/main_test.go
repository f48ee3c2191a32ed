package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// child, in the environment, makes the test binary the command itself.
const child = "EKIBEN_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), child+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// Serve says where it listens, answers there, and ends well on SIGTERM.
func TestServe(t *testing.T) {
	cmd := command(t, "serve", "--host", "127.0.0.1", "--port", "0", "--set", "shutdown.idle=0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	if !lines.Scan() {
		t.Fatal("nothing was logged")
	}
	found := regexp.MustCompile(`msg=serving app=Summarization .*address=(http://127\.0\.0\.1:\d+) exposes="POST /summarize, POST /encode, GET /metrics,`).FindStringSubmatch(lines.Text())
	if found == nil {
		t.Fatalf("got %s", lines.Text())
	}
	res, err := http.Post(found[1]+"/summarize", "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s", res.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("metrics: {duration: {min: 1}}\nnope: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"metrics.duration.max: min, max and factor belong together, found only min: 1": {"serve", "--config", bad},
		"nope: unknown key; known here: app, http,":                                    {"serve", "--config", bad},
		"none.yaml: no such file":                                                      {"serve", "--config", "none.yaml"},
		"http.port: must be between 0 and 65535, found 70000":                          {"serve", "--port", "70000"},
		"--set x: must be key=value":                                                   {"serve", "--set", "x"},
		`did you mean "serve"`:                                                         {"serv"},
	} {
		cmd := command(t, args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), want) {
			t.Errorf("%v: got %v, %q; want %s", args, err, errs.String(), want)
		}
	}
}

func TestVersion(t *testing.T) {
	out, err := command(t, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "ekiben ") {
		t.Errorf("got %q, %v", out, err)
	}
}
