// Command twin serves the two services whose BentoML pages are recorded in
// testdata, function by function the same: same APIs, same custom metrics, same
// misbehaviour. What differs between its page and theirs is a bug here.
//
//	go run ./integration/twin --config F --port N --encode-max-batch 32 --score-max-batch 8
//	go run ./integration/twin --app two-services --port N
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	_ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc" // otlp.protocol: grpc
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

type flags struct {
	Config         string   `help:"Configuration file." type:"path"`
	Port           int      `help:"Port to listen on." default:"3000"`
	Host           string   `help:"Address to listen on." default:"127.0.0.1"`
	App            string   `help:"Which app to serve." enum:"summarization,two-services" default:"summarization"`
	EncodeMaxBatch int      `help:"max_batch_size of encode." default:"32"`
	ScoreMaxBatch  int      `help:"max_batch_size of score." default:"8"`
	Set            []string `help:"Configuration key=value, over the file." sep:"none"`
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
	rt, err := build(f)
	if err != nil {
		return err
	}
	return rt.Run(ctx)
}

// build makes the app that f asks for.
func build(f flags, opts ...runtime.Option) (*runtime.Runtime, error) {
	declare := func(cfg *config.Config) (*runtime.Service, error) {
		return newSummarization(cfg, f.EncodeMaxBatch, f.ScoreMaxBatch)
	}
	if f.App == "two-services" {
		declare = newTextPipeline
	}
	cfg := config.Default()
	svc, err := declare(&cfg)
	if err != nil {
		return nil, err
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
	return runtime.New(svc, append(opts, runtime.WithConfig(cfg), runtime.WithSource(source))...)
}
