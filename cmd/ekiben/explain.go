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
	return `Says of each key its value, where that comes from (default, a file's line, a variable, a flag), what it means and its unit.

Examples:
  ekiben explain traffic.timeout
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
		return config.UnknownKey(c.Key)
	case c.Output == "json":
		return writeJSON(t.stdout, found)
	case len(found) == 1:
		return explainOne(t.stdout, found[0])
	}
	table := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	for _, e := range found {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", e.Key, e.Value, e.Source)
	}
	return table.Flush()
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
		e.Key, e.Value, e.Source, e.Meaning, e.Type, unit, e.Default, reload)
	return err
}
