package main

import (
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

type versionCommand struct {
	Output string `help:"text or json." enum:"text,json" default:"text"`
}

// Help shows how the command is used.
func (versionCommand) Help() string {
	return `Examples:
  ekiben version
  ekiben version --output json`
}

// Run prints the versions of the module and of Go.
func (c versionCommand) Run(t terminal) error {
	version := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{"(unknown)", ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		version.Version, version.Go = info.Main.Version, info.GoVersion
	}
	if c.Output == "json" {
		return writeJSON(t.stdout, version)
	}
	_, err := fmt.Fprintf(t.stdout, "ekiben %s %s\n", version.Version, version.Go)
	return err
}

// versionFlag is --version of the program.
type versionFlag bool

// BeforeReset prints the version before kong asks for a command.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	err := versionCommand{}.Run(terminal{stdout: app.Stdout})
	app.Exit(exitOK)
	return err
}
