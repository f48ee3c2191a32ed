// Command models compares servers of a real model side by side: the example
// examples/embeddings on ONNX Runtime, and BentoML and LitServe around ONNX Runtime in Python.
// All have the same model file, version of ONNX Runtime, number of threads, largest batch and texts.
//
//	go run ./integration/bench/models [--rounds 3] [--seconds 5] [--report FILE]
//	go run ./integration/bench/models --quick    # a short run, which fails if any request does
//
// It needs python3 with venv and pip, cgo and a C compiler. The first run installs the Python
// packages and fetches the model into the user's cache folder; later ones begin at once.
//
// In each round the servers take turns, and each turn is a new process, so that one server
// runs at a time. Before the first round, all servers must give the same vectors.
// The ceiling is the example's model in a loop with full batches: it runs before and after
// the example's cells of the most clients.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type flags struct {
	Seconds      float64       `help:"Seconds of load of a cell: a number of clients and of texts in a request. Requests in flight then are awaited." default:"5"`
	Warm         float64       `help:"Seconds of the same load before each cell, which do not count." default:"1"`
	Rounds       int           `help:"Rounds. A round measures every server once; medians of the rounds are shown." default:"3"`
	Clients      []int         `help:"Clients of the cells. Each sends its next request when it has a response." default:"1,8,64"`
	Texts        []int         `help:"Texts in a request of the cells." default:"1,8"`
	Threads      int           `help:"Threads of a run of the model, for every server. 0: the number of processors less one, which is for the load, and 1 at least." default:"0"`
	Seed         uint64        `help:"Seed of the texts." default:"1"`
	Group        bool          `help:"Let the Python services put texts of like length into runs of their own, as the example does. Otherwise a batch is one run, padded to its longest text."`
	LitserveWait time.Duration `help:"LitServe's batch_timeout: how long a batch waits to be full." default:"5ms"`
	LitserveFast bool          `help:"LitServe's fast_queue: processes talk over ZeroMQ."`
	Report       string        `help:"Write the report to this file too."`
	Quick        bool          `help:"One round with 2 s a cell, for a test: it is an error if a request fails."`
	Limit        time.Duration `help:"The command ends with an error after this time." default:"1h"`
	Cache        string        `help:"Folder for the Python packages and programs. Default: ekiben/bench-models in the user's cache folder."`
	Guard        string        `help:"Watch over a run whose files are in this folder, for the command itself." hidden:""`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("models"), kong.Description("Compares servers of one model: examples/embeddings, BentoML and LitServe. Run it in the repository."))
	if f.Guard != "" {
		guard(f.Guard, os.Stdin)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	err := run(ctx, f)
	if ctx.Err() != nil { // what it caused is less clear
		err = fmt.Errorf("ended by a signal or after --limit %s: %w", f.Limit, ctx.Err())
	}
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "models:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	if f.Quick {
		f.Rounds, f.Seconds, f.Warm = 1, 2, 0.5
	}
	if f.Threads <= 0 {
		f.Threads = max(1, runtime.NumCPU()-1)
	}
	if err := f.check(); err != nil {
		return err
	}
	w, err := prepare(ctx, f)
	if err != nil {
		return err
	}
	defer w.close()
	b := &bench{flags: f, sides: w.sides(f), workshop: w, load: newLoad(f.Seed)}
	if err := b.sameVectors(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	to := io.Writer(os.Stdout)
	if f.Report != "" {
		file, err := os.Create(f.Report)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // written below, and read by people
		to = io.MultiWriter(to, file)
	}
	if err := b.report(to); err != nil {
		return err
	}
	if f.Quick {
		return b.failures()
	}
	return nil
}

// check returns an error for flags that cannot be measured.
func (f flags) check() error {
	for name, values := range map[string][]int{"--clients": f.Clients, "--texts": f.Texts, "--rounds": {f.Rounds}} {
		if len(values) == 0 {
			return fmt.Errorf("%s: must have a number", name)
		}
		for _, v := range values {
			if v < 1 {
				return fmt.Errorf("%s: must be 1 at least, found %d", name, v)
			}
		}
	}
	if f.Seconds <= 0 || f.Warm < 0 {
		return fmt.Errorf("--seconds: must be more than 0, and --warm 0 at least, found %g and %g", f.Seconds, f.Warm)
	}
	return nil
}
