package ekiben

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// child makes the test binary a program.
const child = "EKIBENTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	os.Exit(Main("Shouter", func(app *runtime.App) error {
		end(syscall.SIGHUP) // which must not end it
		if err := behave(app); err != nil {
			return err
		}
		runtime.Handle(app, "hold", func(ctx context.Context, _ struct{}) (string, error) {
			runtime.Logger(ctx).Info("held")
			time.Sleep(holding())
			return "held", nil
		})
		return nil
	}))
}

// hold is the variable with the time that a request takes in the program.
const hold = "EKIBENTEST_HOLD"

func holding() time.Duration {
	d, _ := time.ParseDuration(os.Getenv(hold))
	return cmp.Or(d, 500*time.Millisecond)
}

// start starts the program, with logs in JSON. before are words before the command.
func start(t *testing.T, before, flags []string) (cmd *exec.Cmd, logged func(message string) map[string]any) {
	t.Helper()
	cmd, _, logged = started(t, before, flags)
	return cmd, logged
}

// started is start with the pipe of the log, and with files that the program inherits.
func started(t *testing.T, before, flags []string, files ...*os.File) (cmd *exec.Cmd, log io.ReadCloser, logged func(message string) map[string]any) {
	t.Helper()
	words := slices.Concat(before, []string{os.Args[0], "serve", "--set", "http.host=127.0.0.1", "--set", "http.port=0", "--set", "logging.format=json", "--set", "tracing.enabled=true"}, flags)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // it ends a program that hangs
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), child+"=1", "OTEL_RESOURCE_ATTRIBUTES=x") // the SDK would print it
	cmd.Dir, cmd.ExtraFiles = t.TempDir(), files
	log = check.Value(cmd.StderrPipe())(t)
	check.Must(t, cmd.Start())
	lines := json.NewDecoder(log) // each line must be JSON
	return cmd, log, func(message string) map[string]any {
		t.Helper()
		for {
			var line map[string]any
			if err := lines.Decode(&line); err != nil {
				t.Fatalf("the program ended, or hung, before it logged %q: %v", message, err)
			}
			if line["msg"] == message {
				return line
			}
		}
	}
}

// ignoring starts a program as sh starts a background job of a script: SIGINT is
// ignored.
var ignoring = []string{"sh", "-c", `trap "" INT; exec "$@"`, "sh"}

// SIGHUP reloads, also while the app is declared, SIGINT and SIGTERM drain, and a second one ends the program, also
// if SIGINT was ignored when the program started.
func TestSignals(t *testing.T) {
	for name, test := range map[string]struct {
		before, flags []string
		signals       []syscall.Signal
		code          int // -1: ended by a signal
		by            syscall.Signal
		message       string // logged at the end
	}{
		"drained":          {signals: []syscall.Signal{syscall.SIGTERM}, code: 0, message: "stopped"},
		"cut":              {signals: []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, code: -1, by: syscall.SIGTERM, message: "the process ends at once"},
		"interrupted":      {signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, code: -1, by: syscall.SIGINT},
		"drained, ignored": {before: ignoring, signals: []syscall.Signal{syscall.SIGINT}, code: 0, message: "stopped"},
		"cut, ignored":     {before: ignoring, signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, code: -1, by: syscall.SIGTERM},
		"no grace":         {flags: []string{"--set", "shutdown.grace=0"}, signals: []syscall.Signal{syscall.SIGTERM}, code: 1, message: "ended with an error"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.code != 0 { // the program ends before the request
				t.Setenv(hold, "1m")
			}
			cmd, logged := start(t, test.before, test.flags)
			url, _ := logged("serving")["address"].(string)
			_ = cmd.Process.Signal(syscall.SIGHUP)
			logged("configuration reloaded, nothing changed")
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
			for i, one := range test.signals {
				_ = cmd.Process.Signal(one)
				if i == 0 {
					logged("draining")
				}
			}
			if test.message != "" {
				line := logged(test.message)
				if cut, counted := map[string]any{"stopped": 0.0, "the process ends at once": 1.0}[test.message]; counted {
					check.Equal(t, line["cut_none"], cut)
				}
			}
			_ = cmd.Wait()
			if got := <-status; (got == "200 OK") != (test.code == 0) || cmd.ProcessState.ExitCode() != test.code || test.code < 0 && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != test.by {
				t.Errorf("got %s, %v, want code %d", got, cmd.ProcessState, test.code)
			}
		})
	}
}

// A log that nobody reads, or whose reader is gone, holds up neither requests nor the drain,
// and does not end the program.
func TestUnreadLog(t *testing.T) {
	for name, lose := range map[string]func(io.Closer){
		"unread": func(io.Closer) {},
		"gone":   func(log io.Closer) { _ = log.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			cmd, log, logged := started(t, nil, nil)
			url, _ := logged("serving")["address"].(string)
			lose(log)
			for range 4000 { // the pipe and lines.Most hold fewer
				response := check.Value(http.Get(url + "/" + strings.Repeat("x", 200)))(t)
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			if page := page(t, url+"/metrics"); !regexp.MustCompile(`\nekiben_log_dropped_total\{[^}]*\} [1-9]`).MatchString(page) {
				t.Errorf("dropped lines are not counted:\n%s", page)
			}
			http.DefaultClient.CloseIdleConnections()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			ended := check.Value(cmd.Process.Wait())(t) // cmd.Wait would read the log
			check.Equal(t, ended.ExitCode(), 0)
		})
	}
}

// page returns the body of a response.
func page(t *testing.T, url string) string {
	t.Helper()
	response := check.Value(http.Get(url))(t)
	defer response.Body.Close()
	return string(check.Value(io.ReadAll(response.Body))(t))
}

// tagged has two fields whose tags are errors.
type tagged struct {
	A string `json:"a" minimum:"1"`
	B int    `json:"b" minLength:"1"`
}

func shouts(app *runtime.App) error {
	runtime.Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
	return nil
}

func noModel(*runtime.App) error { return errors.New("no model") }

// mounted fails after it has started the app.
func mounted(app *runtime.App) error {
	err := shouts(app)
	_, failed := app.Handler()
	return errors.Join(err, failed, noModel(app))
}

// stopped fails after it has stopped the app.
func stopped(app *runtime.App) error {
	return errors.Join(shouts(app), app.Shutdown(context.Background()), noModel(app))
}

func badly(app *runtime.App) error {
	runtime.Handle(app, "tags", func(context.Context, tagged) (string, error) { return "", nil })
	runtime.HandleBatch(app, "many", func(_ context.Context, items []string) ([]string, error) { return items, nil }, runtime.Batching(batcher.Config{MaxBatchSize: -1, Window: -1}))
	return fmt.Errorf("models: %w", errors.Join(errors.New("one"), errors.New("two")))
}

// instruments returns errors that the app has too.
func instruments(app *runtime.App) error {
	_, err1 := instrument.NewCounter[struct{}](app.Meter(), "a b")
	_, err2 := instrument.NewGauge[struct{}](app.Meter(), "c.d")
	return errors.Join(err1, err2)
}

// The code of the end, and what is printed, follow from the arguments.
func TestMainOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.yaml")
	check.Must(t, os.WriteFile(file, []byte("traffic: {timeout: x}\nlogging: {format: json}\n"), 0o600))
	const tag, many = `Shouter: service "Shouter": API "tags": input: ekiben.tagged.`, `Shouter: service "Shouter": API "many": batching: `
	all := []string{"Shouter: models: one", "Shouter: models: two", tag + "A: ", tag + "B: ", many + "max_batch_size: ", many + "window_ms: ", "Shouter: --set: http.port: "}
	for name, test := range map[string]struct {
		args     []string
		code     int
		out, err []string                 // prefixes of lines; out: of the first lines
		declare  func(*runtime.App) error // nil: shouts
	}{
		"check":                     {args: []string{"check"}, out: []string{"Shouter: no errors; configuration: config.yaml"}},
		"help":                      {args: []string{"--help"}, out: []string{"Usage: shouter [serve|check] [flags]", "", "serve is the default.", "", "  --config FILE", "    \tread ", "  --set KEY=VALUE", "    \tset one configuration key by KEY=VALUE, such as traffic.timeout=10"}},
		"unknown argument":          {args: []string{"start"}, code: 2, err: []string{`Shouter: argument must be serve or check, found "start"; see --help`}},
		"unknown flag":              {args: []string{"--port", "1"}, code: 2, err: []string{"Shouter: unknown flag --port; --set sets any key of the configuration, such as --set http.port=4000; see --help"}},
		"flag without a value":      {args: []string{"check", "--config"}, code: 2, err: []string{"Shouter: --config: needs a FILE"}},
		"setting without a value":   {args: []string{"--set"}, code: 2, err: []string{"Shouter: --set: needs a KEY=VALUE"}},
		"setting without =":         {args: []string{"--set", "x"}, code: 2, err: []string{`Shouter: --set: must be KEY=VALUE, such as traffic.timeout=10, found "x"`}},
		"setting without a key":     {args: []string{"--set", "=secret"}, code: 2, err: []string{`Shouter: --set: must be KEY=VALUE, such as traffic.timeout=10, found "…"`}},
		"errors, a line each":       {args: []string{"check", "--set", "traffic.timeout=x", "--set", "http.port=y"}, code: 1, err: []string{"Shouter: ", "Shouter: "}},
		"missing file":              {args: []string{"check", "--config", "none.yaml"}, code: 2, err: []string{"Shouter: "}},
		"declare fails":             {declare: noModel, code: 1, err: []string{"Shouter: no model"}},
		"instruments fail":          {args: []string{"check"}, declare: instruments, code: 1, err: []string{`Shouter: counter "a b": `, `Shouter: gauge "c.d": `}},
		"declare fails, check":      {args: []string{"check"}, declare: noModel, code: 1, err: []string{"Shouter: no model"}},
		"declare runs the app":      {declare: mounted, code: 1, err: []string{"Shouter: no model"}},
		"runs it, check":            {args: []string{"check"}, declare: mounted, code: 1, err: []string{"Shouter: no model"}},
		"declare stops the app":     {declare: stopped, code: 1, err: []string{"Shouter: no model"}},
		"nothing is declared":       {declare: func(*runtime.App) error { return nil }, code: 1, err: []string{`Shouter: service "Shouter": has no API`}},
		"all errors":                {args: []string{"--set", "http.port=x", "--set", "traffic.endpoints./late.timeout=1"}, declare: badly, code: 1, err: all},
		"all errors, check":         {args: []string{"check", "--set", "http.port=x"}, declare: badly, code: 1, err: all},
		"broken file, logs in JSON": {args: []string{"check", "--config", file}, code: 1, err: []string{`{"time":"`}},
		"all errors, logs in JSON":  {args: []string{"--set", "logging.format=json"}, declare: badly, code: 1, err: slices.Repeat([]string{`{"time":"`}, 6)},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			declare := func(app *runtime.App) error {
				t.Cleanup(func() { _ = app.Shutdown(context.Background()) })
				if test.declare == nil {
					return shouts(app)
				}
				return test.declare(app)
			}
			code := run(t.Context(), program{name: "Shouter", binary: "shouter", args: test.args, out: &out, err: &errs}, declare)
			check.Equal(t, code, test.code)
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

// A second signal logs what it cuts off in each app that is served with the context, and in no
// app that has ended.
func TestLastWordsOfTwoApps(t *testing.T) {
	last := &lastWords{apps: map[*runtime.App]bool{}}
	shared := context.WithValue(t.Context(), lastWordsKey{}, last)
	var logs [2]bytes.Buffer
	var stops [2]func() error
	for i := range logs {
		cfg := config.Default()
		cfg.HTTP.Host, cfg.HTTP.Port = "127.0.0.1", 0
		app := runtime.New("Shouter", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.NewTextHandler(&logs[i], nil))))
		check.Must(t, shouts(app))
		ctx, cancel := context.WithCancel(shared)
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, app) }()
		stops[i] = func() error { cancel(); return <-ended }
		for app.Addr() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	last.say()
	check.OK(t, stops[0]())
	last.say()
	check.OK(t, stops[1]())
	last.say()
	for i, want := range []int{1, 2} {
		check.Equal(t, strings.Count(logs[i].String(), "the process ends at once"), want)
	}
}

// A signal while declare runs prints a line at once, also if declare runs the app itself.
func TestSignalDuringDeclare(t *testing.T) {
	ctx, signal := context.WithCancel(t.Context())
	out := lines(make(chan string, 1))
	code := run(ctx, program{name: "Shouter", args: []string{"--set", "logging.level=error"}, out: out, err: out}, func(app *runtime.App) error {
		runtime.Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
		signal()
		check.Equal(t, <-out, "Shouter: stopping once declare returns; a second signal ends the program at once\n")
		return nil
	})
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
}

// check names the files that it has read, also those of secrets.
func TestCheckNamesItsFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	check.Must(t, os.WriteFile("ekiben.yaml", []byte("http: {auth: {bearer_tokens_file: tokens}}"), 0o600), os.WriteFile("tokens", []byte("a\n"), 0o600))
	var out, errs bytes.Buffer
	code := run(t.Context(), program{name: "Shouter", args: []string{"check"}, out: &out, err: &errs}, func(app *runtime.App) error {
		runtime.Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
		return nil
	})
	check.Equal(t, fmt.Sprint(code, out.String(), errs.String()), "0Shouter: no errors; configuration: ekiben.yaml, tokens\n")
}

// lines is a writer that sends what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// Nil arguments are errors.
func TestNilArguments(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), program{name: "A", out: &out, err: &out}, nil); code != ExitFailed || out.String() != "A: ekiben.Main: declare must not be nil\n" {
		t.Errorf("got %d, %s", code, out.String())
	}
	for _, err := range []error{Serve(t.Context(), nil), Serve(nil, runtime.New("A"))} {
		check.Error(t, err, "ekiben.Serve: the context and the app must not be nil")
	}
}
