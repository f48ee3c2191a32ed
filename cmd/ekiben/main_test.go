package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// child, in the environment, makes the test binary the command itself.
const child = "EKIBENTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"ekiben": main})
}

// Every script of testdata is a session at a shell.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"page": page, "serves": serves},
	})
}

// page serves the page in a file and sets PAGE to where.
func page(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=1.0.0; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}))
	ts.Defer(server.Close)
	ts.Setenv("PAGE", server.URL+"/metrics")
}

// serves starts a command that serves, waits until it does, prints what it has
// logged by then, and ends it.
func serves(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	log, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if strings.Contains(lines.Text(), "msg=serving") {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	ts.Check(cmd.Wait())
}

// Every command that the documentation shows runs in a script.
func TestDocumentedCommandsRunInScripts(t *testing.T) {
	scripts := map[string]bool{}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			line = strings.NewReplacer("! exec ", "", "exec ", "", "serves ", "").Replace(strings.TrimSpace(line))
			scripts[strings.Trim(strings.TrimPrefix(line, "# also "), " &")] = true
		}
	}
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^ *(?:\$ )?(?:go run \./cmd/)?(ekiben [a-z][^\n|>#]*)`)
	for _, document := range append(documents, "../../README.md") {
		data, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range shown.FindAllStringSubmatch(string(data), -1) {
			if command := strings.TrimSpace(found[1]); !scripts[command] {
				t.Errorf("%s: no script runs %q", document, command)
			}
		}
	}
	for _, v := range []interface{ Help() string }{serveCommand{}, checkCommand{}, explainCommand{}, schemaCommand{}, bucketsCommand{}, completionCommand{}, versionCommand{}, migrateCheckCommand{}, assetsCommand{}} {
		for line := range strings.Lines(v.Help()) {
			if command, ok := strings.CutPrefix(line, "  ekiben "); ok {
				command, _, _ = strings.Cut(command, " > ")
				if command = "ekiben " + strings.TrimSpace(command); !scripts[command] {
					t.Errorf("no script runs the help's %q", command)
				}
			}
		}
	}
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
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() && !strings.Contains(lines.Text(), "configuration reloaded") {
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
