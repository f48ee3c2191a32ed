package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

type explainCommand struct {
	Key     string   `arg:"" optional:"" help:"A key, the variable that sets it, or the first levels of several keys. Default: all keys."`
	Config  string   `help:"Configuration file of Ekiben or BentoML, or - for standard input. Default: the file that EKIBEN_CONFIG names, else ekiben.yaml, or a config.yaml of either, if it exists." placeholder:"FILE"`
	Service []string `help:"Services that the file is for, the entry service first. Default: those of ekiben serve." placeholder:"NAME"`
	Output  string   `help:"text or json." enum:"text,json" default:"text"`
	settingFlags
}

// Help shows how the command is used.
func (explainCommand) Help() string {
	return `Shows the value of each key, its source (default, a line of a file, a variable, a flag), its meaning and unit, and the values of services and routes that override it. A key of a service or a route without a value is shown with the value that it inherits.

Examples:
  ekiben explain traffic.timeout
  ekiben explain services.Summarization.traffic.timeout
  ekiben explain metrics --config config.yaml
  ekiben explain --output json`
}

// Run explains keys of the configuration that serve would read.
func (c explainCommand) Run(t terminal) error {
	c.Key = strings.TrimSuffix(c.Key, ".")
	if variable, ok := strings.CutPrefix(c.Key, "EKIBEN_"); ok { // the key that it sets
		c.Key = strings.ToLower(strings.ReplaceAll(variable, "__", "."))
	}
	source, err := c.readable("--config", c.Config, t.stdin)
	if err != nil {
		return err
	}
	names := c.Service
	if len(names) == 0 {
		names = []string{"Summarization"}
	}
	loaded, err := source.Load(config.Default(), names...)
	if len(c.Service) > 0 {
		loaded, err = source.LoadFor(config.Default(), config.Names{Services: names})
	}
	if err != nil {
		return err
	}
	if err := c.service(); err != nil {
		return usageError{err}
	}
	found := loaded.Explain(c.Key)
	switch {
	case len(found) == 0:
		return usageError{config.UnknownKey(c.Key)}
	case c.Output == "json":
		return writeJSON(t.stdout, found)
	case len(found) == 1:
		return explainOne(t.stdout, found[0])
	}
	return explainTable(t.stdout, found)
}

// service returns an error if the key is of a service that --service does not name.
func (c explainCommand) service() error {
	below, ofService := strings.CutPrefix(c.Key, "services.")
	if !ofService || len(c.Service) == 0 || slices.ContainsFunc(c.Service, func(name string) bool {
		return below == name || strings.HasPrefix(below, name+".")
	}) {
		return nil
	}
	name, _, _ := strings.Cut(below, ".")
	return config.Names{Services: c.Service}.Check(config.Config{Services: map[string]config.Service{name: {}}})
}

// explainTable prints a line for each key, and below it a line for each override
// that is not among the keys.
func explainTable(w io.Writer, found []config.Explanation) error {
	own := map[string]bool{}
	for _, e := range found {
		own[e.Key] = true
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range found {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", e.Key, e.Value, from(e))
		for _, o := range e.Overrides {
			if !own[o.Key] {
				_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", o.Key, o.Value, o.Source)
			}
		}
	}
	return table.Flush()
}

// from returns the source of a value, and for an inherited value also its key.
func from(e config.Explanation) string {
	if e.Inherits == "" {
		return e.Source
	}
	return e.Inherits + " (" + e.Source + ")"
}

func explainOne(w io.Writer, e config.Explanation) error {
	unit := e.Unit
	if unit == "" {
		unit = "none"
	}
	reload := "no, needs a restart"
	if e.Reload {
		reload = "yes, while serving"
	}
	_, err := fmt.Fprintf(w, "%s: %s\n  from     %s\n  meaning  %s\n  type     %s\n  unit     %s\n  default  %s\n  reload   %s\n",
		e.Key, e.Value, from(e), e.Meaning, e.Type, unit, e.Default, reload)
	if err != nil || len(e.Overrides) == 0 {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "overridden by")
	for _, o := range e.Overrides {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", o.Key, o.Value, o.Source)
	}
	return table.Flush()
}
