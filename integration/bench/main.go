// Command bench measures what a request costs here against bare net/http with
// encoding/json, doing the same work: both sides as processes of their own, in
// interleaved rounds, under wrk.
//
//	go run ./integration/bench [--rounds 15] [--seconds 3] [--connections 32]
//
// It needs wrk (Debian package wrk) on the PATH, and prints medians of ratios.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"
)

type flags struct {
	Rounds      int    `help:"Rounds for each body size; each has both sides, in turn." default:"15"`
	Seconds     int    `help:"Seconds of load for each side of a round." default:"3"`
	Connections int    `help:"Connections that wrk holds." default:"32"`
	Sizes       []int  `help:"Sizes of the text in the body, in bytes." default:"16,1024,16384"`
	Serve       string `help:"Serve one side instead of measuring: bare or ekiben." enum:",bare,ekiben" default:"" hidden:""`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("bench"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	run := measure
	if f.Serve != "" {
		run = func(ctx context.Context, f flags) error { return serve(ctx, f.Serve) }
	}
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
