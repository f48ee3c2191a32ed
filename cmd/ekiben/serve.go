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
	Config string  `help:"Configuration file of Ekiben or BentoML. Default: the file that EKIBEN_CONFIG names, else ekiben.yaml, or a config.yaml of either, if it exists." placeholder:"FILE"`
	Host   *string `help:"Address to listen on; overrides http.host." placeholder:"HOST"`
	Port   *int    `help:"Port to listen on; overrides http.port. 0: any free port." placeholder:"PORT" type:"port"`
	settingFlags
}

// Help shows how the command is used.
func (serveCommand) Help() string {
	return `Each of these overrides the ones before it: defaults, OTEL_ and BENTOML_ variables, the file, EKIBEN_ variables (EKIBEN_TRAFFIC__TIMEOUT=10), flags.

SIGTERM drains the server and ends it. SIGHUP or a change of the file reloads the configuration. SIGUSR2 starts the program again on the same port, and drains this one when the new one serves.

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
