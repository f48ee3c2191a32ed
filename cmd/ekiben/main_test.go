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
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ekiben-serving/ekiben/internal/documents"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"page": page, "serves": serves, "documented": documented},
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

// documented holds what the last command printed against what a document shows
// for the command that is given.
func documented(ts *testscript.TestScript, _ bool, args []string) {
	commands, err := documents.Commands(filepath.Join("..", ".."))
	ts.Check(err)
	found := false
	for _, c := range commands {
		if c.Shown == "" || short(c.Text) != strings.Join(args, " ") {
			continue
		}
		found = true
		if got := ts.ReadFile("stdout") + ts.ReadFile("stderr"); !documents.Matches(c.Shown, got) {
			ts.Fatalf("%s\nshown:\n%s\nprinted:\n%s", c, c.Shown, got)
		}
	}
	if !found {
		ts.Fatalf("no document shows what %q prints", args)
	}
}

// short is a command by the name of the program alone.
func short(command string) string { return strings.TrimPrefix(command, "go run ./cmd/") }

// Every command that the documentation, or a help, shows runs in a script, and
// where it shows an answer, the script compares.
func TestDocumentedCommandsRunInScripts(t *testing.T) {
	var scripts []string
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if command, found := strings.CutPrefix(line, "documented "); found {
				compared[command] = true
			}
			line = strings.NewReplacer("! exec ", "", "exec ", "", "serves ", "", "# also ", "").Replace(line)
			scripts = append(scripts, strings.Trim(line, " &"))
		}
	}
	commands, err := documents.Commands(filepath.Join("..", ".."), "ekiben")
	if err != nil || len(commands) < 20 {
		t.Fatal(commands, err)
	}
	for _, c := range commands {
		runs := func(script string) bool { return script == short(c.Text) || c.Inline && likewise(c.Text, script) }
		if !slices.ContainsFunc(scripts, runs) {
			t.Errorf("no script runs %s", c)
		}
		if c.Shown != "" && !compared[short(c.Text)] {
			t.Errorf("no script compares what is shown for %s", c)
		}
	}
	for _, v := range []interface{ Help() string }{serveCommand{}, checkCommand{}, explainCommand{}, schemaCommand{}, bucketsCommand{}, completionCommand{}, versionCommand{}, migrateCheckCommand{}, assetsCommand{}} {
		for line := range strings.Lines(v.Help()) {
			if command, ok := strings.CutPrefix(line, "  ekiben "); ok {
				command, _, _ = strings.Cut(command, " > ")
				if command = "ekiben " + strings.TrimSpace(command); !slices.Contains(scripts, command) {
					t.Errorf("no script runs the help's %q", command)
				}
			}
		}
	}
}

// likewise says whether a script's command begins as an inline one does, whose
// words in capitals stand for anything.
func likewise(inline, script string) bool {
	words, given := strings.Fields(inline), strings.Fields(script)
	if len(given) < len(words) {
		return false
	}
	for i, word := range words {
		if word != given[i] && word != strings.ToUpper(word) {
			return false
		}
	}
	return true
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
