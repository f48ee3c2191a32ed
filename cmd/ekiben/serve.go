package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ekiben-serving/ekiben/examples/summarization"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// defaultFile is read when it is there and --config is not given.
const defaultFile = "config.yaml"

type serveCommand struct {
	Config string   `help:"Configuration file. Default: config.yaml, if there is one." placeholder:"FILE" default:""`
	Host   *string  `help:"Address to listen on, over http.host." placeholder:"HOST"`
	Port   *int     `help:"Port to listen on, over http.port; 0 picks a free one." placeholder:"PORT"`
	Set    []string `help:"Set one configuration key, over the file: --set traffic.timeout=10" placeholder:"KEY=VALUE" sep:"none"`
}

// Run serves until ctx ends.
func (c serveCommand) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	svc, err := summarization.New()
	if err != nil {
		return err
	}
	rt, err := runtime.New(svc, runtime.WithConfig(cfg))
	if err != nil {
		return err
	}
	return rt.Run(ctx)
}

func (c serveCommand) load() (config.Config, error) {
	file := c.Config
	if file == "" {
		if _, err := os.Stat(defaultFile); err == nil {
			file = defaultFile
		} else if !errors.Is(err, fs.ErrNotExist) {
			return config.Config{}, err
		}
	}
	settings := c.Set
	if c.Host != nil {
		settings = append(settings, fmt.Sprintf("http.host=%q", *c.Host))
	}
	if c.Port != nil {
		settings = append(settings, fmt.Sprintf("http.port=%d", *c.Port))
	}
	return config.Load(config.Default(), file, settings)
}
