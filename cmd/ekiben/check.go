package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/ekiben-serving/ekiben/examples/summarization"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

type checkCommand struct {
	File    string   `arg:"" optional:"" help:"Configuration file, Ekiben's or BentoML's. Default: what EKIBEN_CONFIG names, or config.yaml, if there is one."`
	Service []string `help:"Services that the file is for, the entry service first; no other name is right then, and any route is. Default: the example that ekiben serve serves, with its routes." placeholder:"NAME"`
	Output  string   `help:"text or json." enum:"text,json" default:"text"`
	settingFlags
}

// Help shows how the command is used.
func (checkCommand) Help() string {
	return `Prints the configuration in effect, with variables and --set in it, and exits with 0; or every error, a line each, and exits with 1; with 2 if the file cannot be read. What is accepted and has no effect is named on standard error.

Names are compared with the example that ekiben serve serves. For a program of your own name its services, all of them: --service Front --service Encoder. Routes (metrics.endpoints) are not checked then; only the program knows them, and checks them at start.

Examples:
  ekiben check
  ekiben check config.yaml
  ekiben check config.yaml --service Front --service Encoder
  ekiben check bentoml_configuration.yaml --service TextFront --service Encoder
  ekiben check --output json`
}

// Run checks what serve would read.
func (c checkCommand) Run(t terminal) error {
	source, err := c.source("", c.File)
	if err != nil {
		return err
	}
	loaded, err := c.load(source)
	if c.Output == "json" {
		return writeReport(t.stdout, loaded, err)
	}
	if err != nil {
		return err
	}
	for _, n := range loaded.Notices {
		_, _ = fmt.Fprintf(t.stderr, "ekiben: warning: %s\n", n)
	}
	_, err = io.WriteString(t.stdout, loaded.Config.YAML())
	return err
}

// load reads the configuration for the services named, whose routes it cannot
// know, or as serve would for the example.
func (c checkCommand) load(source config.Source) (*config.Loaded, error) {
	if len(c.Service) > 0 {
		return source.LoadFor(config.Default(), config.Names{Services: c.Service})
	}
	app := runtime.New(summarization.Name, runtime.WithSource(source), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err := errors.Join(summarization.Declare(app), app.Check()); err != nil {
		return nil, ofExample(err)
	}
	return source.Load(config.Default(), summarization.Name)
}

// ofExample says of names that the example does not have how to check those of
// another program.
func ofExample(err error) error {
	var all []error
	for _, one := range config.Problems(err) {
		if p := (*config.Problem)(nil); errors.Is(one, config.ErrNoSuchName) && errors.As(one, &p) {
			hinted := *p
			hinted.Text += " (the example of ekiben serve; for a program of your own give --service NAME)"
			one = &hinted
		}
		all = append(all, one)
	}
	return errors.Join(all...)
}

// report is what a program reads of a check.
type report struct {
	Valid   bool           `json:"valid"`
	Errors  []finding      `json:"errors,omitempty"`
	Notices []finding      `json:"notices,omitempty"`
	Config  *config.Config `json:"config,omitempty"`
}

type finding struct {
	Where string `json:"where"`
	Key   string `json:"key"`
	Text  string `json:"text"`
}

func writeReport(w io.Writer, loaded *config.Loaded, err error) error {
	r := report{Valid: err == nil}
	for _, one := range config.Problems(err) {
		found := finding{Text: one.Error()}
		if p := (*config.Problem)(nil); errors.As(one, &p) {
			found = finding{p.Where.String(), p.Key, p.Text}
		}
		r.Errors = append(r.Errors, found)
	}
	if loaded != nil {
		r.Config = &loaded.Config
		for _, n := range loaded.Notices {
			r.Notices = append(r.Notices, finding{n.Where.String(), n.Key, n.Text})
		}
	}
	if writeErr := writeJSON(w, r); writeErr != nil {
		return writeErr
	}
	if err != nil {
		return reportedError{err}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
