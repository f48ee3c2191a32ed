// Command twin serves copies of the two BentoML services that are recorded in testdata.
// They have the same APIs, custom metrics and faults. A difference between its
// /metrics and the recorded one is a bug of Ekiben.
//
//	go run ./integration/twin --config F --port N --encode-max-batch 32 --score-max-batch 8
//	go run ./integration/twin --app two-services --port N
//	go run ./integration/twin --app kinds --port N
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

type flags struct {
	Config         string   `help:"Configuration file." type:"path"`
	Port           int      `help:"Port to listen on." default:"3000"`
	Host           string   `help:"Address to listen on." default:"127.0.0.1"`
	App            string   `help:"Which app to serve." enum:"summarization,two-services,kinds" default:"summarization"`
	EncodeMaxBatch int      `help:"max_batch_size of encode." default:"32"`
	ScoreMaxBatch  int      `help:"max_batch_size of score." default:"8"`
	Set            []string `help:"A configuration key=value, which overrides the file." sep:"none"`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("twin"), kong.Description("Serves the Go twin of the recorded BentoML services."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "twin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	app, err := build(f)
	if err != nil {
		return err
	}
	return ekiben.Serve(ctx, app)
}

// build makes the app that the flags name.
func build(f flags, opts ...runtime.Option) (*runtime.App, error) {
	name, declare := "Summarization", func(app *runtime.App) error { return declareSummarization(app, f.EncodeMaxBatch, f.ScoreMaxBatch) }
	cfg := config.Default()
	cfg.Traffic.Timeout = 2 * time.Second
	switch f.App {
	case "kinds":
		name, declare = "Kinds", declareKinds
		cfg.Tasks.Path = filepath.Join(os.TempDir(), fmt.Sprintf("ekiben-twin-%d.db", f.Port)) // a twin that starts again finds its tasks
	case "two-services":
		name, declare = "text_front", declareTextPipeline
		cfg.App = config.App{Name: "text_pipeline", Version: "1.2.3"}
		cfg.Traffic.Timeout = 5 * time.Second
	}
	source := config.Source{File: f.Config, Set: []config.Setting{
		{Key: "http.host", Value: f.Host, From: "--host"}, {Key: "http.port", Value: strconv.Itoa(f.Port), From: "--port"},
	}}
	for _, text := range f.Set {
		setting, err := config.ParseSetting("--set", text)
		if err != nil {
			return nil, err
		}
		source.Set = append(source.Set, setting)
	}
	app := runtime.New(name, append(opts, runtime.WithConfig(cfg), runtime.WithSource(source))...)
	return app, declare(app)
}
