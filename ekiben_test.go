package ekiben

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
)

// child makes the test binary a program.
const child = "EKIBENTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	os.Exit(Main("Shouter", func(app *runtime.App) error {
		runtime.Handle(app, "hold", func(ctx context.Context, _ struct{}) (string, error) {
			runtime.Logger(ctx).Info("held")
			time.Sleep(500 * time.Millisecond)
			return "held", nil
		})
		return nil
	}))
}

// start starts the program, with logs in JSON.
func start(t *testing.T) (cmd *exec.Cmd, logged func(message string) map[string]any) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "serve", "--set", "http.host=127.0.0.1", "--set", "http.port=0", "--set", "logging.format=json", "--set", "tracing.enabled=true")
	cmd.Env = append(os.Environ(), child+"=1", "OTEL_RESOURCE_ATTRIBUTES=x") // the SDK would print it
	cmd.Dir = t.TempDir()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(log) // each line must be JSON
	return cmd, func(message string) map[string]any {
		t.Helper()
		for {
			var line map[string]any
			if err := lines.Decode(&line); err != nil {
				t.Fatalf("waiting for %q: %v", message, err)
			}
			if line["msg"] == message {
				return line
			}
		}
	}
}

// SIGHUP reloads, SIGINT and SIGTERM drain, and a second one ends the program.
func TestSignals(t *testing.T) {
	for first, second := range map[os.Signal]os.Signal{syscall.SIGTERM: nil, os.Interrupt: syscall.SIGTERM} {
		cmd, logged := start(t)
		url, _ := logged("serving")["address"].(string)
		_ = cmd.Process.Signal(syscall.SIGHUP)
		logged("configuration reloaded")
		status := make(chan string, 1)
		go func() {
			response, err := http.Post(url+"/hold", "", nil)
			if err != nil {
				status <- err.Error()
				return
			}
			_ = response.Body.Close()
			status <- response.Status
		}()
		logged("held")
		_ = cmd.Process.Signal(first)
		logged("draining")
		if second != nil {
			_ = cmd.Process.Signal(second)
		}
		err := cmd.Wait()
		if got := <-status; (got == "200 OK") != (second == nil) || (err == nil) != (second == nil) {
			t.Errorf("%v, then %v: got %s, %v", first, second, got, err)
		}
	}
}

// The code of the end, and what is printed, follow from the arguments.
func TestMainOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(file, []byte("traffic: {timeout: x}\nlogging: {format: json}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args     []string
		code     int
		out, err []string // prefixes of lines; out: of the first lines
		declare  error
	}{
		"check":                     {args: []string{"check"}, out: []string{"Shouter: no errors"}},
		"help":                      {args: []string{"--help"}, out: []string{"Usage: Shouter [serve|check] [flags]"}},
		"unknown argument":          {args: []string{"start"}, code: 2, err: []string{`Shouter: argument must be serve or check, found "start"; see --help`}},
		"unknown flag":              {args: []string{"--port", "1"}, code: 2, err: []string{"Shouter: flag provided but not defined: -port"}},
		"broken setting":            {args: []string{"--set", "nothing"}, code: 2, err: []string{"Shouter: "}},
		"errors, a line each":       {args: []string{"check", "--set", "traffic.timeout=x", "--set", "http.port=y"}, code: 1, err: []string{"Shouter: ", "Shouter: "}},
		"missing file":              {args: []string{"check", "--config", "none.yaml"}, code: 2, err: []string{"Shouter: "}},
		"declare fails":             {declare: errors.New("no model"), code: 1, err: []string{"Shouter: no model"}},
		"broken file, logs in JSON": {args: []string{"check", "--config", file}, code: 1, err: []string{`{"time":"`}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), program{name: "Shouter", args: test.args, out: &out, err: &errs}, func(app *runtime.App) error {
				runtime.Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
				return test.declare
			})
			if code != test.code {
				t.Errorf("got %d, want %d", code, test.code)
			}
			begin(t, out.String(), test.out, len(test.out) > 0)
			begin(t, errs.String(), test.err, len(strings.Split(strings.TrimSpace(errs.String()), "\n")) == max(1, len(test.err)))
		})
	}
}

func begin(t *testing.T, got string, want []string, complete bool) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for i, line := range want {
		if !complete || i >= len(lines) || !strings.HasPrefix(lines[i], line) {
			t.Errorf("got\n%s\nwant lines that begin with %q", got, want)
		}
	}
	if len(want) == 0 && got != "" {
		t.Errorf("got %s", got)
	}
}
