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
	File    string   `arg:"" optional:"" help:"Configuration file of Ekiben or BentoML, or - for standard input. Default: the file that EKIBEN_CONFIG names, else ekiben.yaml, or a config.yaml of either, if it exists."`
	Service []string `help:"Services that the file is for, the entry service first. Other names are errors; any route is accepted. Default: the example of ekiben serve, with its routes." placeholder:"NAME"`
	Output  string   `help:"text or json." enum:"text,json" default:"text"`
	settingFlags
}

// Help shows how the command is used.
func (checkCommand) Help() string {
	return `Prints the configuration in effect, with variables and --set, and exits with 0. Prints every error on a line of its own and exits with 1, or with 2 if the file cannot be read. Keys that have no effect are listed on standard error.

Names of services and routes are compared with the example of ekiben serve. For your own program give the names of all its services: --service Front --service Encoder. Routes (metrics.endpoints) are not checked then: only the program knows them and checks them at start.

Examples:
  ekiben check
  ekiben check config.yaml
  ekiben check - --service Front < config.yaml
  ekiben check config.yaml --service Front --service Encoder
  ekiben check bentoml_configuration.yaml --service TextFront --service Encoder
  ekiben check --output json`
}

// Run checks the configuration that serve would read.
func (c checkCommand) Run(t terminal) error {
	source, err := c.readable("", c.File, t.stdin)
	if err != nil {
		return err
	}
	loaded, err := c.load(source)
	if c.Output == "json" {
		return c.writeReport(t.stdout, loaded, err)
	}
	if err != nil {
		return err
	}
	for _, n := range loaded.Notices {
		_, _ = fmt.Fprintf(t.stderr, "ekiben: warning: %s\n", n)
	}
	if len(c.Service) == 0 && source.File != "" {
		_, _ = fmt.Fprintln(t.stderr, "ekiben: note: checked for the example of ekiben serve; for your own program give --service NAME")
	}
	_, err = io.WriteString(t.stdout, loaded.Config.YAML())
	return err
}

// load reads the configuration. It is checked for the services of --service, with any
// route, or else for the example of ekiben serve.
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

// ofExample adds a hint to errors about unknown names: they are unknown in the
// example.
func ofExample(err error) error {
	var all []error
	for _, one := range config.Problems(err) {
		if p := (*config.Problem)(nil); errors.Is(one, config.ErrNoSuchName) && errors.As(one, &p) {
			hinted := *p
			hinted.Text += " (checked for the example of ekiben serve; for your own program give --service NAME)"
			one = &hinted
		}
		all = append(all, one)
	}
	return errors.Join(all...)
}

// report is the JSON form of a check.
type report struct {
	Valid bool `json:"valid"`
	// Services are the names that are checked; empty: those of the example.
	Services []string       `json:"services,omitempty"`
	Errors   []finding      `json:"errors,omitempty"`
	Notices  []finding      `json:"notices,omitempty"`
	Config   *config.Config `json:"config,omitempty"`
}

type finding struct {
	Where string `json:"where"`
	Key   string `json:"key"`
	Text  string `json:"text"`
}

func (c checkCommand) writeReport(w io.Writer, loaded *config.Loaded, err error) error {
	r := report{Valid: err == nil, Services: c.Service}
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
