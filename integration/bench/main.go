// Command bench measures what a request costs here against bare net/http with
// encoding/json, doing the same work: both sides as processes of their own, in
// interleaved rounds, under wrk.
//
//	go run ./integration/bench [--rounds 15] [--seconds 3] [--connections 32]
//
// --variant puts the same around both sides: middleware that wraps the writer, or
// spans of otelhttp of which none is kept. --against FILE compares with the
// ekiben side of another build of this command instead of bare net/http, such as
// that of the commit before.
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
	Variant     string `help:"What both sides have around them." enum:"plain,middleware,tracing" default:"plain"`
	Against     string `help:"Compare with the ekiben side of this other build of bench." type:"existingfile"`
	Serve       string `help:"Serve one side instead of measuring: bare or ekiben." enum:",bare,ekiben" default:"" hidden:""`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("bench"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	run := measure
	if f.Serve != "" {
		run = func(ctx context.Context, f flags) error { return serve(ctx, f.Serve, f.Variant) }
	}
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
