// Command ekiben serves the example service with Ekiben's runtime, and explains
// and checks configurations.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"golang.org/x/term"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// commands are the verbs, one file each.
type commands struct {
	Serve        serveCommand        `cmd:"" help:"Serve the summarization service over HTTP."`
	Check        checkCommand        `cmd:"" help:"Check a configuration and print what is in effect."`
	Explain      explainCommand      `cmd:"" help:"Say what a key is, means and comes from."`
	Schema       schemaCommand       `cmd:"" help:"Print the JSON Schema of configuration files, for editors."`
	Buckets      bucketsCommand      `cmd:"" help:"Show the boundaries that a configuration of buckets makes."`
	Assets       assetsCommand       `cmd:"" help:"Write a dashboard and rules for a service."`
	Completion   completionCommand   `cmd:"" help:"Print a script that completes ekiben's commands in a shell."`
	MigrateCheck migrateCheckCommand `cmd:"" help:"Say what a dashboard would notice of a move from one server to another."`
	Version      versionCommand      `cmd:"" help:"Print the version of ekiben."`

	VersionFlag versionFlag `name:"version" help:"Print the version of ekiben."`
}

// The exit codes. docs/configuration.md and the help name them.
const (
	exitOK     = 0
	exitFailed = 1 // a configuration has errors, serving failed, a move would be noticed, or a file was not written
	exitUsage  = 2 // the command line is wrong, or names what cannot be read
)

const description = `Serves models over HTTP, with metrics that a BentoML dashboard reads.

Exit codes: 0 for success, 1 when a configuration has errors, serving failed, a move would be noticed or files were not written, 2 when the command line is wrong or names what cannot be read.`

// terminal is what a command reads and writes.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	colour         bool // on stderr
}

func main() {
	silenceSDK()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	t := terminal{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, colour: coloured(os.Stderr)}
	code := run(ctx, t, os.Args[1:])
	stop()
	os.Exit(code)
}

// silenceSDK keeps OpenTelemetry's SDK from printing secrets. It reads the OTEL_
// variables by itself, and prints what it cannot parse: keys of APIs, passwords.
// The configuration's loader reads the same variables, and names those that are
// wrong without what is in them; what becomes of pushes is logged and counted.
func silenceSDK() {
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
}

// coloured reports whether f is a terminal whose user wants colours.
func coloured(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// run is the whole program, but for what only a process has.
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
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited >= 0: // help was asked for, and printed
		return exited
	case err != nil:
		return t.fail(exitUsage, fmt.Errorf("%w; see ekiben --help", err))
	}
	if err := parsed.Run(); err != nil {
		return t.fail(exitCode(err), err)
	}
	return exitOK
}

// port reads the value of --port. The configuration checks its range.
func port(ctx *kong.DecodeContext, target reflect.Value) error {
	text := ""
	if err := ctx.Scan.PopValueInto("port", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("must be a port between 0 and 65535, found %q", text)
	}
	target.Set(reflect.ValueOf(&n))
	return nil
}

// exitCode is the command line's fault, if any error is.
func exitCode(err error) int {
	if usage := (usageError{}); errors.As(err, &usage) || errors.Is(err, config.ErrUnreadable) {
		return exitUsage
	}
	return exitFailed
}

// fail prints an error, a line for each of its parts.
func (t terminal) fail(code int, err error) int {
	prefix := "ekiben: "
	if t.colour {
		prefix = "\x1b[31mekiben:\x1b[0m "
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		err = usage.error
	}
	for _, one := range config.Problems(err) {
		if reported := (reportedError{}); !errors.As(one, &reported) {
			_, _ = fmt.Fprintf(t.stderr, "%s%v\n", prefix, one)
		}
	}
	return code
}

// reportedError ends a command whose errors are part of its output.
type reportedError struct{ error }

func (e reportedError) Unwrap() error { return e.error }

// errDifferent is why a comparison fails that has said all.
var errDifferent = errors.New("a move would be noticed")

// errUnchecked is why it fails otherwise.
var errUnchecked = errors.New("a query could not be checked")

// usageError is a mistake on the command line that only the command can see.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
