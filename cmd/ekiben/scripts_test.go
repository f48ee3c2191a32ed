package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// scriptCommands are the commands of scripts besides those of testscript.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"page": page, "serves": serves, "typed": typed, "documented": documented, "exits": exits,
}

// instead is the variable of a script with the replacements in typed commands: pairs
// of old and new strings, separated by spaces.
const instead = "INSTEAD"

// page FILE [URL] serves the content of a file and sets PAGE to its URL. Typed
// commands use it in place of URL.
func page(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=1.0.0; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}))
	ts.Defer(server.Close)
	at := server.URL + "/metrics"
	ts.Setenv("PAGE", at)
	if len(args) > 1 {
		ts.Setenv(instead, strings.TrimSpace(ts.Getenv(instead)+" "+args[1]+" "+at))
	}
}

// typed COMMAND runs a command of a document, with the URLs that page replaces. The
// command must succeed.
func typed(ts *testscript.TestScript, _ bool, args []string) {
	replacer := strings.NewReplacer(strings.Fields(ts.Getenv(instead))...)
	for i := range args {
		args[i] = replacer.Replace(args[i])
	}
	ts.Check(ts.Exec(args[0], args[1:]...))
}

// exits CODE COMMAND runs a command and compares its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Check(err)
		}
		code = ended.ExitCode()
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exits with %d, not with %s", code, args[0])
	}
}

// serves COMMAND starts a command, waits until it serves, prints its log, and ends it.
// Flags after those of the command choose a free port and end it without waiting.
func serves(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(args[0], append(args[1:len(args):len(args)], "--port", "0", "--set", "shutdown.idle=0")...)
	cmd.Dir = ts.MkAbs(".")
	log, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	served := false
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if strings.Contains(lines.Text(), "msg=serving") {
			served = true
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	ts.Check(cmd.Wait())
	if !served {
		ts.Fatalf("%q does not serve", args)
	}
}

// documented COMMAND compares the output of the last command with the output that a
// document shows for COMMAND.
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
