// Command kills submits tasks to servers that it kills with SIGKILL again and again, and
// checks that no task is lost:
//
//	go run ./integration/kills
//	go run ./integration/kills --store postgres --dsn postgres://… --replicas 3
package main

import (
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

type flags struct {
	Tasks    int    `help:"Tasks to submit." default:"1000"`
	Kills    int    `help:"Processes to kill." default:"50"`
	Replicas int    `help:"Servers that share the store." default:"1"`
	Store    string `help:"tasks.store." default:"sqlite"`
	Path     string `help:"tasks.path. Default: a file in a temporary folder."`
	DSN      string `help:"tasks.dsn."`
}

func main() {
	if os.Getenv(childPort) != "" {
		exit(serve())
	}
	var f flags
	kong.Parse(&f, kong.Name("kills"), kong.Description("Kills servers and checks that no task is lost."))
	report, err := run(f)
	if err == nil {
		_, err = fmt.Fprintln(os.Stdout, report)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
