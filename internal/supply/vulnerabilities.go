package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// checkVulnerabilities runs govulncheck on the packages of the folder. A vulnerability
// of a module that our code calls is an error: a newer version in go.mod is right. One
// of the standard library is only printed: who builds chooses the release of Go.
// Without a database nothing is checked, which is printed too.
func checkVulnerabilities(ctx context.Context, out io.Writer, govulncheck string) error {
	db, err := find(ctx, served, repository)
	if err != nil {
		_, err = fmt.Fprintf(out, "vulnerabilities were not checked, there is no database: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return err
	}
	command := exec.CommandContext(ctx, govulncheck, "-db", db.url, "-format", "json", "./...")
	command.Stderr = os.Stderr
	printed, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", govulncheck, err)
	}
	found, err := read(bytes.NewReader(printed))
	if err != nil {
		return fmt.Errorf("%s: %w", govulncheck, err)
	}
	_, _ = fmt.Fprintf(out, "checked against %s, last changed on %s\n", db.name, db.date.Format(time.DateOnly))
	return found.report(out)
}

// findings are the vulnerabilities that govulncheck found.
type findings struct {
	scanned bool
	titles  map[string]string // by id
	called  []finding         // each id and module once, in the order of govulncheck
	idle    []string          // ids of what is required or imported, and not called
}

type finding struct {
	ID    string  `json:"osv"`
	Fixed string  `json:"fixed_version"`
	Trace []frame `json:"trace"` // the vulnerable symbol first
}

type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Function string `json:"function"` // "" if no call was found
}

// standard is govulncheck's name of the standard library.
const standard = "stdlib"

// read reads the output of govulncheck -format json.
func read(printed io.Reader) (findings, error) {
	found := findings{titles: map[string]string{}}
	for decoder := json.NewDecoder(printed); ; {
		var message struct {
			Config  *struct{} `json:"config"`
			Finding *finding  `json:"finding"`
			OSV     struct {
				ID      string `json:"id"`
				Summary string `json:"summary"`
			} `json:"osv"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return findings{}, err
		}
		found.scanned = found.scanned || message.Config != nil
		found.titles[message.OSV.ID] = message.OSV.Summary
		if f := message.Finding; f != nil && len(f.Trace) > 0 {
			found.add(*f)
		}
	}
	if !found.scanned {
		return findings{}, errors.New("must print how it is configured, found nothing of it")
	}
	return found, nil
}

// add counts a finding. govulncheck has one for each level: module, package, symbol.
func (f *findings) add(one finding) {
	if one.Trace[0].Function == "" {
		f.idle = append(f.idle, one.ID)
		return
	}
	if !slices.ContainsFunc(f.called, func(c finding) bool { return c.ID == one.ID && c.Trace[0].Module == one.Trace[0].Module }) {
		f.called = append(f.called, one)
	}
}

// report prints what was found, and returns what must not be.
func (f *findings) report(out io.Writer) error {
	var errs []error
	called := map[string]bool{}
	for _, c := range f.called {
		called[c.ID] = true
		at := c.Trace[0]
		line := fmt.Sprintf("%s: %s: called in %s %s, fixed in %s", c.ID, strings.Join(strings.Fields(f.titles[c.ID]), " "), at.Module, at.Version, c.Fixed)
		if at.Module != standard {
			errs = append(errs, errors.New(line))
			continue
		}
		_, _ = fmt.Fprintln(out, line)
	}
	idle := map[string]bool{}
	for _, id := range f.idle {
		if !called[id] {
			idle[id] = true
		}
	}
	_, err := fmt.Fprintf(out, "%d vulnerabilities of modules are called, %d of the Go release; %d more are in what is required, and not called\n",
		len(errs), len(f.called)-len(errs), len(idle))
	return errors.Join(append(errs, err)...)
}
