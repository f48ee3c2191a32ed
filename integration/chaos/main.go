// Command chaos sends requests with faults to a server, and explains every one of them:
//
//	go run ./integration/chaos [--requests 1000000] [--seed 1] [--only KIND]
//	go run ./integration/chaos --hostile
//	go run ./integration/chaos --restarts 1000
//	go run ./integration/chaos --soak 30m
//
// Each request carries a nonce. A ledger compares what its client saw with the access log,
// /metrics and what an OpenTelemetry collector got. The server is a child process, which is
// stopped, killed and restarted under load. The program ends with an error if anything is
// unexplained; the same seed draws the same faults again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
)

type flags struct {
	Seed     uint64        `help:"Seed of all random choices." default:"1"`
	Requests int           `help:"Requests to send." default:"1000000"`
	Round    int           `help:"Requests of a round. After each, the ledger is checked at rest." default:"20000"`
	Minutes  time.Duration `help:"End after the round in which this time has passed, such as 10m. 0: no limit." default:"0"`
	Workers  int           `help:"Clients that send at the same time." default:"96"`
	Only     []string      `help:"Send only these kinds of requests, such as 'hostile path'." sep:"none" placeholder:"KIND"`
	Hostile  bool          `help:"Send only hostile input, leave the process alone, and check that few series are added, and no more with time."`
	Calm     bool          `help:"Leave out the faults of the process, such as SIGKILL."`
	Restarts int           `help:"Restart the server this many times under lasting clients instead."`
	Soak     time.Duration `help:"Keep one server under a moderate load for this time instead, and compare what it has at rest."`
	Rate     int           `help:"Most requests a second. 0: no limit, and 100 for --soak."`
	Report   string        `help:"Also write the report to this file." type:"path"`
}

func main() {
	if os.Getenv(childConfig) != "" {
		exit(serve())
	}
	var f flags
	kong.Parse(&f, kong.Name("chaos"), kong.Description("Sends requests with faults, and explains every one of them."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, f, os.Stdout)
	stop()
	exit(err)
}

func run(ctx context.Context, f flags, to io.Writer) (err error) {
	if f.Report != "" {
		file, failed := os.Create(f.Report)
		if failed != nil {
			return failed
		}
		to = io.MultiWriter(to, file)
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	s, err := newSession(f)
	if err != nil {
		return err
	}
	defer s.close()
	switch {
	case f.Restarts > 0:
		err = s.restarts(ctx)
	case f.Soak > 0:
		err = s.soak(ctx)
	default:
		err = s.rounds(ctx)
	}
	_, printed := fmt.Fprintln(to, s.report())
	return errors.Join(err, s.book.verdict(), printed)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
