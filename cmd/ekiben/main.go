// Command ekiben serves the example service with Ekiben's runtime.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are the verbs, one file each.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve the summarization service over HTTP."`
	Version versionCommand `cmd:"" help:"Print the version of ekiben."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	var c commands
	parsed := kong.Parse(&c, kong.Name("ekiben"),
		kong.Description("Serves models over HTTP, with metrics that a BentoML dashboard reads."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)))
	err := parsed.Run()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "ekiben: %v\n", err)
		os.Exit(1)
	}
}
