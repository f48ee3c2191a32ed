// Command sim runs the batcher's own decisions through simulated traffic, beside
// other policies, and writes what came of it.
//
//	go run ./batcher/sim [-requests 16000] [-write docs]
//
// It prints the tables, and puts them and the charts into docs/batching.md and
// docs/batching.svg; -write "" only prints. The same arguments give the same
// numbers everywhere.
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
	requests := flag.Int("requests", 16000, "requests in each cell, about")
	write := flag.String("write", "docs", `folder of batching.md and batching.svg to write into; "": print only`)
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

const mark = "<!-- What follows is written by go run ./batcher/sim -->\n"

// save puts text below the mark in batching.md.
func save(dir, text, svg string) error {
	file := filepath.Join(dir, "batching.md")
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
