package ekiben

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// The arguments determine the exit code and the output.
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
		"check":               {args: []string{"check"}, out: []string{"Shouter: no errors"}},
		"help":                {args: []string{"--help"}, out: []string{"Usage: Shouter [serve|check] [flags]"}},
		"unknown argument":    {args: []string{"start"}, code: 2, err: []string{`Shouter: argument must be serve or check, found "start"; see --help`}},
		"unknown flag":        {args: []string{"--port", "1"}, code: 2, err: []string{"Shouter: flag provided but not defined: -port"}},
		"broken setting":      {args: []string{"--set", "nothing"}, code: 2, err: []string{"Shouter: "}},
		"errors, a line each": {args: []string{"check", "--set", "traffic.timeout=x", "--set", "http.port=y"}, code: 1, err: []string{"Shouter: ", "Shouter: "}},
		"missing file":        {args: []string{"check", "--config", "none.yaml"}, code: 1, err: []string{"Shouter: "}},
		"declare fails":       {declare: errors.New("no model"), code: 1, err: []string{"Shouter: no model"}},
		"broken file":         {args: []string{"check", "--config", file}, code: 1, err: []string{"Shouter: " + file + ":1: traffic.timeout: "}},
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
