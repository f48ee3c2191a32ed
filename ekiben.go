// Package ekiben turns an app into a program: it reads the command line and the
// configuration, handles signals, and prints all errors. Package
// [github.com/ekiben-serving/ekiben/runtime] has the app itself and is the one to read
// next:
//
//	func main() {
//		os.Exit(ekiben.Main("Shouter", func(app *runtime.App) error {
//			runtime.Handle(app, "shout", shout)
//			return nil
//		}))
//	}
package ekiben

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"

	_ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc"            // otlp.protocol: grpc
	_ "github.com/ekiben-serving/ekiben/exporters/prometheus/webconfig" // admin.web_config_file
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/runtime/openinference"      // http.open_inference
	_ "github.com/ekiben-serving/ekiben/runtime/openinference/grpc" // http.open_inference_grpc
	_ "github.com/ekiben-serving/ekiben/runtime/profiles"           // admin.profiles
)

// The codes that [Main] returns.
const (
	ExitOK     = 0 // the app was served and drained, or checked without errors
	ExitFailed = 1 // the declarations or the configuration have errors, or serving failed
	ExitUsage  = 2 // the command line is wrong, or a file cannot be read; Go has it for a panic, too
)

// Main serves an app named name until SIGINT or SIGTERM, and returns the exit
// code of the program. declare declares the app's APIs and services.
//
// The configuration comes from [config.FromEnvironment]. The flags --config FILE and
// --set KEY=VALUE override it. SIGHUP, or a change of the file, reloads it. A second
// SIGINT or SIGTERM ends the program at once. SIGUSR2 starts the program again on the same
// listener, see [Serve]. The argument serve is the default. The
// argument check prints all errors of declarations and configuration, and serves
// nothing. If declare returns an error, Main prints it with these errors, and serves
// nothing either.
//
// A signal while declare runs takes effect when it returns: load a slow model in
// [runtime.Service.OnStart], whose context ends with a signal. declare must not run the app itself.
//
// Errors are written to standard error, one after the other: as JSON if logging.format
// is json, else as lines that begin with name.
func Main(name string, declare func(*runtime.App) error, opts ...runtime.Option) int {
	SilenceSDK()
	ctx, stop := UntilSignal()
	defer stop()
	return run(ctx, program{name: name, binary: filepath.Base(os.Args[0]), args: os.Args[1:], out: os.Stdout, err: os.Stderr}, declare, opts...)
}

// UntilSignal returns a context that ends on SIGINT or SIGTERM. A second signal
// then ends the program at once; every app that [Main] or [Serve] runs with the context logs
// what is cut off. stop ends the context and the wait for signals.
func UntilSignal() (ctx context.Context, stop func()) {
	signals := make(chan os.Signal, 1)
	ignored := signal.Ignored(os.Interrupt) // as in a background job of a script
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	last := &lastWords{apps: map[*runtime.App]bool{}}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), lastWordsKey{}, last))
	stopping, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		defer signal.Stop(signals)
		select {
		case <-signals:
			cancel()
		case <-stopping:
			return
		}
		select {
		case second := <-signals:
			last.say()
			signal.Stop(signals)
			if ignored { // again, after Stop
				second = syscall.SIGTERM
			}
			end(second)
		case <-stopping:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		close(stopping)
		<-ended
	})
}

// lastWords has the apps that log what is cut off before a second signal ends the program.
type lastWords struct {
	mu   sync.Mutex
	apps map[*runtime.App]bool
}

type lastWordsKey struct{}

func (l *lastWords) add(app *runtime.App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apps[app] = true
}

func (l *lastWords) remove(app *runtime.App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.apps, app)
}

// say lets all apps log at the same time: each may wait a second for its log.
func (l *lastWords) say() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all sync.WaitGroup
	for app := range l.apps {
		all.Go(app.CutOff)
	}
	all.Wait()
}

// end ends the program by a signal that nothing handles any more.
func end(s os.Signal) {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(s)
	}
}

// program holds the arguments and outputs of the process, so that a test can replace
// them.
type program struct {
	name     string
	binary   string
	args     []string
	out, err io.Writer
}

func run(ctx context.Context, p program, declare func(*runtime.App) error, opts ...runtime.Option) int {
	source, check, err := p.parse()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		_, _ = fmt.Fprintf(p.err, "%s: %v\n", p.name, err)
		return ExitUsage
	}
	asked := make(chan os.Signal, 2)
	if !check {
		signal.Notify(asked, requests...) // declare may take long
		defer signal.Stop(asked)
	}
	app := runtime.New(p.name, append([]runtime.Option{runtime.WithSource(source)}, opts...)...)
	if declare == nil {
		declare = func(*runtime.App) error { return errors.New("ekiben.Main: declare must not be nil") }
	}
	// A signal cannot end declare, which may be loading a model, or may itself run the app.
	waiting := context.AfterFunc(ctx, func() {
		p.print(app, slog.LevelWarn, "stopping", "notice", "stopping once declare returns; a second signal ends the program at once")
	})
	undeclared := declare(app)
	waiting()
	switch {
	case undeclared != nil: // the app must not run
		err = errors.Join(undeclared, withoutConsequences(app.Check(), undeclared))
	case check:
		err = app.Check()
	default:
		err = serve(ctx, app, asked)
	}
	switch {
	case err != nil && app.Addr() != nil:
		return p.fail(app, "ended with an error", err)
	case err != nil && check:
		return p.fail(app, "check found an error", err)
	case err != nil:
		return p.fail(app, "cannot start", err)
	case check:
		_, _ = fmt.Fprintf(p.out, "%s: no errors; configuration: %s\n", p.name, cmp.Or(strings.Join(app.ConfigFiles(), ", "), "no file"))
	}
	return ExitOK
}

// withoutConsequences removes three kinds of errors from err: those that undeclared holds
// too, those about a missing API, service or route, and the one for an app that the
// declarations started. They are consequences: declare returned early.
func withoutConsequences(err, undeclared error) error {
	known := config.Problems(undeclared)
	return errors.Join(slices.DeleteFunc(config.Problems(err), func(one error) bool {
		return errors.Is(one, runtime.ErrNoAPI) || errors.Is(one, config.ErrNoSuchName) || errors.Is(one, runtime.ErrServed) ||
			slices.ContainsFunc(known, func(other error) bool { return strings.HasSuffix(one.Error(), other.Error()) })
	})...)
}

// parse reads the command line.
func (p program) parse() (source config.Source, check bool, err error) {
	source = config.FromEnvironment()
	flags := flag.NewFlagSet(p.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("config", "read this configuration `FILE`, Ekiben's or BentoML's", func(file string) error {
		source.File, source.FileFrom = file, "--config"
		return nil
	})
	var wrongSetting error // without the prefix of package flag, which prints the value
	flags.Func("set", "set one configuration key by `KEY=VALUE`, such as traffic.timeout=10", func(text string) error {
		var setting config.Setting
		setting, wrongSetting = config.ParseSetting("--set", text)
		source.Set = append(source.Set, setting)
		return wrongSetting
	})
	err = flags.Parse(p.args)
	rest := flags.Args()
	if err == nil && len(rest) > 0 && (rest[0] == "check" || rest[0] == "serve") {
		check = rest[0] == "check"
		err = flags.Parse(rest[1:])
		rest = flags.Args()
	}
	switch {
	case wrongSetting != nil:
		err = wrongSetting
	case err != nil && strings.HasPrefix(err.Error(), noValue):
		name := strings.TrimPrefix(err.Error(), noValue)
		value, _ := flag.UnquoteUsage(flags.Lookup(name))
		err = fmt.Errorf("--%s: needs a %s", name, value)
	case err != nil && strings.HasPrefix(err.Error(), notDefined):
		err = fmt.Errorf("unknown flag --%s; --set sets any key of the configuration, such as --set http.port=4000; see --help", strings.TrimPrefix(err.Error(), notDefined))
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintf(p.out, "Usage: %s [serve|check] [flags]\n\nserve is the default. check prints every error of the configuration and serves nothing.\n\n", p.binary)
		var listed strings.Builder
		flags.SetOutput(&listed)
		flags.PrintDefaults()
		_, _ = io.WriteString(p.out, strings.ReplaceAll(listed.String(), "  -", "  --"))
	case err == nil && len(rest) > 0:
		err = fmt.Errorf("argument must be serve or check, found %q; see --help", rest[0])
	}
	return source, check, err
}

// The errors of package flag for a flag without a value and an unknown flag begin so.
const (
	noValue    = "flag needs an argument: -"
	notDefined = "flag provided but not defined: -"
)

// fail prints an error, one line for each joined error. message is for logs in JSON.
func (p program) fail(app *runtime.App, message string, err error) int {
	for _, one := range config.Problems(err) {
		p.print(app, slog.LevelError, message, "error", one.Error())
	}
	if errors.Is(err, config.ErrUnreadable) {
		return ExitUsage
	}
	return ExitFailed
}

// print prints a line. message and key are for logs in JSON.
func (p program) print(app *runtime.App, level slog.Level, message, key, text string) {
	if app.Config().Logging.Format == "json" {
		slog.New(slog.NewJSONHandler(p.err, nil)).Log(context.Background(), level, message, "service", p.name, key, text)
		return
	}
	_, _ = fmt.Fprintf(p.err, "%s: %s\n", p.name, strings.ReplaceAll(text, "\n", "\n  "))
}

// SilenceSDK sets the global logger and error handler of OpenTelemetry to ones that
// print nothing. The SDK reads OTEL_ variables itself and prints those that it
// cannot parse, in a format of its own. The app logs what is wrong with them, and
// logs and counts failed pushes. Call it before [runtime.New]; Main does it.
func SilenceSDK() {
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
}

// Serve runs an app with [runtime.App.Run] until ctx ends, and reloads its
// configuration on SIGHUP. Main calls it; a program with a command line of its own can
// do so too. The error is that of Run.
//
// SIGUSR2, on Unix, starts the program again on the same listener, for a new version of it or
// for configuration that needs a restart, except the address: http.host, http.port and http.socket.
// When the new process serves, this one drains and Serve
// returns. If the new one fails, or does not serve within five minutes and is killed, this one logs
// why and goes on. No request is lost. SIGHUP waits meanwhile; SIGTERM ends both.
func Serve(ctx context.Context, app *runtime.App) error {
	if ctx == nil || app == nil {
		return errors.New("ekiben.Serve: the context and the app must not be nil")
	}
	asked := make(chan os.Signal, 2)
	signal.Notify(asked, requests...)
	defer signal.Stop(asked)
	return serve(ctx, app, asked)
}

// serve is [Serve] with the channel of signals. A SIGHUP that came before Run is not lost: Run
// reads the configuration after it.
func serve(ctx context.Context, app *runtime.App, asked <-chan os.Signal) error {
	ended := make(chan struct{})
	running, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for {
			select {
			case one := <-asked:
				if one == syscall.SIGHUP {
					_ = app.Reload() // logs the error
				} else if handOver(running, app) {
					stop()
					return // another process serves: there is nothing to ask for
				}
			case <-running.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		<-ended
	}()
	if last, ok := ctx.Value(lastWordsKey{}).(*lastWords); ok {
		last.add(app)
		defer last.remove(app)
	}
	return app.Run(running)
}

// handOverLimit bounds how long a new process may take to serve: it may load a model.
var handOverLimit = 5 * time.Minute

// handOver starts the program again, and reports whether the new process serves.
func handOver(ctx context.Context, app *runtime.App) bool {
	ctx, cancel := context.WithTimeout(ctx, handOverLimit)
	defer cancel()
	return app.HandOver(ctx) == nil // it logs the error
}
