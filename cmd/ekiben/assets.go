package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ekiben-serving/ekiben/deploy"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

type assetsCommand struct {
	Dir       string  `arg:"" help:"Folder to write to. It is created if it does not exist."`
	Namespace string  `help:"metrics.namespace of the services." default:"bentoml_service"`
	SLO       float64 `help:"Seconds above which a request is slow. It must be a boundary of the histogram; metrics.slo adds one." default:"1"`
	Objective float64 `help:"Share of requests without an error, and of those the share that is not slow." default:"0.99"`
	Force     bool    `help:"Replace files that exist with other content."`
}

// Help shows how the command is used.
func (assetsCommand) Help() string {
	return `Writes a Grafana dashboard, recording and alerting rules for Prometheus, and configuration that starts both. Files of several namespaces can be loaded together.

Examples:
  ekiben assets assets
  ekiben assets my-team --namespace my_team --slo 0.3 --objective 0.999`
}

// notices says what the services need for these files.
func (c assetsCommand) notices() []string {
	var found []string
	services := config.Default()
	services.Metrics.Views.Namespace = c.Namespace
	for _, n := range services.Notices() {
		found = append(found, "warning: --namespace: "+n.Text)
	}
	if bounds, err := (views.Config{}).Boundaries(""); err == nil && !slices.Contains(bounds, c.SLO) {
		found = append(found, fmt.Sprintf("note: the services need metrics.slo: [%v], because %[1]v is not among their default boundaries", c.SLO))
	}
	return found
}

// Run writes the files and prints their paths.
func (c assetsCommand) Run(t terminal) error {
	for flag, value := range map[string]float64{"--slo": c.SLO, "--objective": c.Objective} {
		if value == 0 { // deploy.Options takes 0 for the default
			return usageError{errors.New(flag + ": must be greater than 0, found 0")}
		}
	}
	options := deploy.Options{Namespace: c.Namespace, SLO: c.SLO, Objective: c.Objective}
	if _, err := deploy.Files(options); err != nil {
		return usageError{ofFlags(err)}
	}
	paths, err := deploy.Write(c.Dir, deploy.WriteOptions{Options: options, Overwrite: c.Force})
	if errors.Is(err, deploy.ErrExists) {
		return errors.Join(err, errors.New("no file was written; --force replaces these files"))
	}
	if err != nil {
		return err
	}
	for _, n := range c.notices() {
		_, _ = fmt.Fprintf(t.stderr, "ekiben: %s\n", n)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if _, err := fmt.Fprintln(t.stdout, path); err != nil {
			return err
		}
	}
	return nil
}
