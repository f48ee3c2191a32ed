package main

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/rogpeppe/go-internal/testscript"
)

// child is the variable that makes the test binary behave as the command.
const child = "EKIBENTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"ekiben": main})
}

// Every script of testdata is a shell session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: scriptCommands,
	})
}

// command is the command as a process, which ends if it hangs for a minute.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), child+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// Serve logs its address, serves there, reloads on SIGHUP and ends on SIGTERM.
func TestServe(t *testing.T) {
	cmd := command(t, "serve", "--host", "127.0.0.1", "--port", "0", "--set", "shutdown.idle=0")
	log := check.Value(cmd.StderrPipe())(t)
	check.Must(t, cmd.Start())
	lines := bufio.NewScanner(log)
	if !lines.Scan() {
		t.Fatal("nothing was logged")
	}
	found := regexp.MustCompile(`msg=serving app=Summarization .*address=(http://127\.0\.0\.1:\d+) configuration="no file" exposes="POST /summarize, POST /encode, GET /metrics,`).FindStringSubmatch(lines.Text())
	if found == nil {
		t.Fatalf("got %s", lines.Text())
	}
	res := check.Value(http.Post(found[1]+"/summarize", "application/json", strings.NewReader(`{}`)))(t)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s", res.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	check.Must(t, cmd.Process.Signal(syscall.SIGHUP))
	for lines.Scan() && !strings.Contains(lines.Text(), "configuration reloaded") {
	}
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	for lines.Scan() {
	}
	check.OK(t, cmd.Wait())
}

// Neither Ekiben nor OpenTelemetry's SDK prints the values of OpenTelemetry's
// variables, right or wrong: they may be secrets.
func TestVariablesOfOpenTelemetryAreNotPrinted(t *testing.T) {
	const canary = "CANARY"
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		for name, variables := range map[string]map[string]string{
			"wrong": {"HEADERS": "api-key=" + canary + "%zz," + canary, "ENDPOINT": "http://user:" + canary + "@ho st"},
			"right": {"HEADERS": "api-key=" + canary, "ENDPOINT": "http://user:" + canary + "@127.0.0.1:1"},
		} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				cmd := command(t, "serve", "--host", "127.0.0.1", "--port", "0", "--set", "shutdown.idle=0", "--set", "otlp.enabled=true",
					"--set", "otlp.interval=0.05", "--set", "otlp.retry.enabled=false", "--set", "tracing.enabled=true", "--set", "otlp.protocol="+protocol)
				for variable, value := range variables {
					for _, signal := range []string{"", "METRICS_", "TRACES_"} {
						cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_"+signal+variable+"="+value)
					}
				}
				if name == "wrong" { // a collector may listen at the default endpoint
					cmd.Args = append(cmd.Args, "--set", "otlp.endpoint=http://127.0.0.1:1")
				}
				log := check.Value(cmd.StderrPipe())(t)
				check.Must(t, cmd.Start())
				var all strings.Builder
				ending := false // a second signal would end it at once
				for lines := bufio.NewScanner(log); lines.Scan(); {
					all.WriteString(lines.Text() + "\n")
					if strings.Contains(lines.Text(), "metrics cannot be pushed") && !ending {
						ending = true
						_ = cmd.Process.Signal(syscall.SIGTERM)
					}
				}
				check.OK(t, cmd.Wait())
				if strings.Contains(all.String(), canary) || !strings.Contains(all.String(), "msg=serving") {
					t.Errorf("it printed\n%s", all.String())
				}
				if told := strings.Contains(all.String(), `where=OTEL_EXPORTER_OTLP_HEADERS notice="is ignored in part`); told != (name == "wrong") {
					t.Errorf("the invalid variable is reported: %t\n%s", told, all.String())
				}
			})
		}
	}
}
