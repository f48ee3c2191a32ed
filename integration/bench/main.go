// Command bench compares the cost of a request with bare net/http and encoding/json,
// which do the same work. Each side of a round is a new process, wrk sends the load, and
// the rounds of the sides alternate.
//
//	go run ./integration/bench [--rounds 15] [--seconds 3] [--connections 32]
//
// --variant adds the same part to both sides: middleware that wraps the writer, or
// tracing that keeps no span. --against FILE compares with another build of this command, such
// as one of an older commit, instead of bare net/http. --side floor compares bare net/http
// with a handler that also sends BentoML's two headers and records one histogram of the
// SDK: the least that a server with these headers and metrics costs. --side slow compares
// this build with itself when slow.objective is on and no request is slow.
//
// It needs wrk (Debian package wrk) on the PATH, and prints medians of ratios with
// their 95 % confidence intervals.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"
)

type flags struct {
	Rounds      int    `help:"Rounds for each body size. A round measures both sides." default:"15"`
	Seconds     int    `help:"Seconds of load for each side of a round." default:"3"`
	Connections int    `help:"Connections that wrk holds." default:"32"`
	Sizes       []int  `help:"Sizes of the text in the body, in bytes." default:"16,1024,16384"`
	Variant     string `help:"What is added to both sides." enum:"plain,middleware,tracing" default:"plain"`
	Side        string `help:"The side that is compared: floor and ekiben with bare net/http, slow with ekiben." enum:"ekiben,floor,slow" default:"ekiben"`
	Against     string `help:"Compare with another build of this command instead of bare net/http." type:"existingfile"`
	Serve       string `help:"Serve one side instead of measuring." enum:",bare,floor,ekiben,slow" default:"" hidden:""`
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
