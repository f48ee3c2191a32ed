// Command sim compares the decisions of the batcher with other policies in
// simulated traffic.
//
//	go run ./batcher/sim [-requests 16000] [-write docs]
//
// It prints tables, and writes them and a chart to docs/batching-simulation.md and
// docs/batching.svg. With -write "" it only prints. The numbers depend on the
// arguments only.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	requests := flag.Int("requests", 16000, "approximate number of requests in each cell")
	write := flag.String("write", "docs", `folder of batching-simulation.md and batching.svg to write; "": print only`)
	flag.Parse()
	cells := all(*requests)
	text := report(cells, overloads(*requests))
	_, err := fmt.Fprintln(os.Stdout, text)
	if err == nil && *write != "" {
		err = save(*write, text, chart(cells))
	}
	if err != nil {
		log.Fatal("sim: ", err)
	}
}

const mark = "<!-- Written by go run ./batcher/sim from here on -->\n"

// save replaces the part of batching-simulation.md below the mark, and the chart.
func save(dir, text, svg string) error {
	file := filepath.Join(dir, "batching-simulation.md")
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	prose, _, found := strings.Cut(string(old), mark)
	if !found {
		return fmt.Errorf("%s lacks the line %s", file, mark)
	}
	if err := os.WriteFile(file, []byte(prose+mark+"\n"+text), 0o644); err != nil { //nolint:gosec // documentation is for everybody
		return err
	}
	return os.WriteFile(filepath.Join(dir, "batching.svg"), []byte(svg), 0o644) //nolint:gosec // as above
}
