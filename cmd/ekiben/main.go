// Command ekiben serves an example service, checks and explains configurations,
// writes files for monitoring, and compares metrics before a move from BentoML.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// commands are the commands of the program. Each has a file of its own.
type commands struct {
	Serve        serveCommand        `cmd:"" help:"Serve the summarization service over HTTP."`
	Check        checkCommand        `cmd:"" help:"Check a configuration and print the values in effect."`
	Explain      explainCommand      `cmd:"" help:"Show the value, source and meaning of a configuration key."`
	Schema       schemaCommand       `cmd:"" help:"Print the JSON Schema of configuration files, for editors."`
	Buckets      bucketsCommand      `cmd:"" help:"Show the boundaries of a histogram."`
	Assets       assetsCommand       `cmd:"" help:"Write a dashboard and rules for monitoring."`
	Completion   completionCommand   `cmd:"" help:"Print a completion script for a shell."`
	MigrateCheck migrateCheckCommand `cmd:"" help:"Compare the metrics of two servers, and find queries that a move would change."`
	Version      versionCommand      `cmd:"" help:"Print the version of ekiben."`

	VersionFlag versionFlag `name:"version" help:"Print the version of ekiben."`
}

// Exit codes. docs/configuration.md and the help list them.
const (
	exitOK     = 0
	exitFailed = 1 // the configuration has errors, serving failed, migrate-check found a difference, or a file was not written
	exitUsage  = 2 // the command line is wrong, or something cannot be read or checked
)

const description = `Serves models over HTTP with metrics for dashboards of BentoML.

Exit codes: 0 for success; 1 if the configuration has errors, serving failed, migrate-check found differences, or files were not written; 2 if the command line is wrong, or something cannot be read or checked.`

// terminal holds the standard streams of a command.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	colour         bool // on stderr
}

func main() {
	ekiben.SilenceSDK()
	ctx, stop := ekiben.UntilSignal()
	t := terminal{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, colour: coloured(os.Stderr)}
	code := run(ctx, t, os.Args[1:])
	stop()
	os.Exit(code)
}

// coloured reports whether f is a terminal whose user wants colours.
func coloured(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// run is the whole program, without signal handling and os.Exit.
func run(ctx context.Context, t terminal, args []string) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("ekiben"), kong.Description(description),
		kong.NamedMapper("port", kong.MapperFunc(port)), kong.Writers(t.stdout, t.stderr), kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(t))
	if err != nil {
		return t.fail(exitUsage, err)
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // help serve is serve --help
		args = append(args[1:len(args):len(args)], "--help")
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited >= 0: // help or version was printed
		return exited
	case err != nil:
		return t.fail(exitUsage, fmt.Errorf("%w; see %s --help", explained(err, args), ofCommand(err)))
	}
	if err := parsed.Run(); err != nil {
		return t.fail(exitCode(err), err)
	}
	return exitOK
}

// ofCommand returns the program and the command of a wrong command line.
func ofCommand(err error) string {
	if failed := (*kong.ParseError)(nil); errors.As(err, &failed) {
		if command := failed.Context.Selected(); command != nil {
			return "ekiben " + command.Name
		}
	}
	return "ekiben"
}

// explained returns an error for a last flag that lacks its value with the name of the
// value, and other errors unchanged.
func explained(err error, args []string) error {
	last := args[len(args)-1]
	if failed := (*kong.ParseError)(nil); errors.As(err, &failed) && strings.HasPrefix(err.Error(), last+": ") {
		for _, flag := range failed.Context.Flags() {
			if "--"+flag.Name == last && !flag.IsBool() {
				value := "a " + flag.FormatPlaceHolder()
				if flag.Enum != "" {
					value = strings.Join(flag.EnumSlice(), " or ")
				}
				return fmt.Errorf("%s: needs %s", last, value)
			}
		}
	}
	return err
}

// port reads the value of --port.
func port(ctx *kong.DecodeContext, target reflect.Value) error {
	text := ""
	if err := ctx.Scan.PopValueInto("port", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("must be a port between 0 and 65535, found %q", text)
	}
	target.Set(reflect.ValueOf(&n))
	return nil
}

// exitCode is exitUsage if the command line caused any of the errors.
func exitCode(err error) int {
	if usage := (usageError{}); errors.As(err, &usage) || errors.Is(err, config.ErrUnreadable) {
		return exitUsage
	}
	return exitFailed
}

// fail prints each of the joined errors on a line.
func (t terminal) fail(code int, err error) int {
	prefix := "ekiben: "
	if t.colour {
		prefix = "\x1b[31mekiben:\x1b[0m "
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		err = usage.error
	}
	if reported := (reportedError{}); errors.As(err, &reported) {
		return code
	}
	for _, one := range config.Problems(err) {
		_, _ = fmt.Fprintf(t.stderr, "%s%v\n", prefix, one)
	}
	return code
}

// reportedError ends a command whose errors are part of its output.
type reportedError struct{ error }

func (e reportedError) Unwrap() error { return e.error }

// errDifferent ends a comparison that found differences.
var errDifferent = errors.New("the metrics have a difference that counts")

// errUnchecked ends a comparison with queries that could not be checked.
var errUnchecked = errors.New("a query could not be checked")

// usageError is an error in the command line that a command found.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
