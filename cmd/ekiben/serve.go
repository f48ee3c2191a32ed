package main

import (
	"context"
	"strconv"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/examples/summarization"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

type serveCommand struct {
	Config string  `help:"Configuration file, Ekiben's or BentoML's. Default: what EKIBEN_CONFIG names, or config.yaml, if there is one." placeholder:"FILE"`
	Host   *string `help:"Address to listen on, over http.host." placeholder:"HOST"`
	Port   *int    `help:"Port to listen on, over http.port; 0 picks a free one." placeholder:"PORT"`
	settingFlags
}

// Help shows how the command is used.
func (serveCommand) Help() string {
	return `Settings are laid over one another: defaults, OTEL_ and BENTOML_ variables, the file, EKIBEN_ variables (EKIBEN_TRAFFIC__TIMEOUT=10), flags.

SIGTERM drains and ends. SIGHUP, or a change of the file, reloads the configuration.

Examples:
  ekiben serve
  ekiben serve --config bentoml_configuration.yaml --port 3001
  ekiben serve --set metrics.namespace=my_team --set traffic.timeout=10`
}

// Run serves until ctx ends.
func (c serveCommand) Run(ctx context.Context, t terminal) error {
	source, err := c.source("--config", c.Config)
	if err != nil {
		return err
	}
	if c.Host != nil {
		source.Set = append(source.Set, config.Setting{Key: "http.host", Value: *c.Host, From: "--host"})
	}
	if c.Port != nil {
		source.Set = append(source.Set, config.Setting{Key: "http.port", Value: strconv.Itoa(*c.Port), From: "--port"})
	}
	app := runtime.New(summarization.Name, runtime.WithSource(source))
	if err := summarization.Declare(app); err != nil {
		return err
	}
	return ekiben.Serve(ctx, app)
}
