package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

type explainCommand struct {
	Key     string   `arg:"" optional:"" help:"Key, or the part of one that several begin with. Default: all of them."`
	Config  string   `help:"Configuration file, Ekiben's or BentoML's. Default: what EKIBEN_CONFIG names, or config.yaml, if there is one." placeholder:"FILE"`
	Service []string `help:"Services that the file is for, the entry service first. Default: those that ekiben serve serves." placeholder:"NAME"`
	Output  string   `help:"text or json." enum:"text,json" default:"text"`
	settingFlags
}

// Help shows how the command is used.
func (explainCommand) Help() string {
	return `Says of each key its value, where that comes from (default, a file's line, a variable, a flag), what it means and its unit, and what services and routes have in its place. A key of a service or a route that is not given is explained with what it inherits.

Examples:
  ekiben explain traffic.timeout
  ekiben explain services.Summarization.traffic.timeout
  ekiben explain metrics --config config.yaml
  ekiben explain --output json`
}

// Run explains keys of what serve would read.
func (c explainCommand) Run(t terminal) error {
	source, err := c.source("--config", c.Config)
	if err != nil {
		return err
	}
	names := c.Service
	if len(names) == 0 {
		names = []string{"Summarization"}
	}
	loaded, err := source.Load(config.Default(), names...)
	if err != nil {
		return err
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

// explainTable prints a line for each key, and below it one for each override
// that has no line of its own.
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

// from is where a value comes from, with the key that it is inherited from.
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
