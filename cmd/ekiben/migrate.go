package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

type migrateCheckCommand struct {
	Old         string        `arg:"" help:"Metrics of the server in use: a URL, a file, or - for standard input."`
	New         string        `arg:"" help:"Metrics of the new server."`
	Dashboards  []string      `help:"Grafana dashboards, alone or in a ConfigMap or another object: files, patterns, or -. May be repeated." placeholder:"FILE" sep:"none"`
	Rules       []string      `help:"Alerting and recording rules of Prometheus, Mimir, Grafana or an operator; as above." placeholder:"FILE" sep:"none"`
	Autoscalers []string      `help:"KEDA ScaledObjects, HorizontalPodAutoscalers and rules of prometheus-adapter; as above." placeholder:"FILE" sep:"none"`
	Ignore      []string      `help:"An intended difference, between the metrics and in queries: FAMILY, FAMILY{LABEL} or {LABEL}. May be repeated." placeholder:"WHAT" sep:"none"`
	Timeout     time.Duration `help:"Limit for each URL. 0: no limit." default:"10s"`
	Output      string        `help:"text or json." enum:"text,json" default:"text"`
}

// Help shows how the command is used.
func (migrateCheckCommand) Help() string {
	return `Compares the metrics of two servers: families, labels and boundaries. With dashboards, rules and autoscalers it lists the queries that select other series than before. Send both servers the same requests first: a status or an endpoint that only one server has seen is a difference.

A dashboard's queries are checked with each value that the file has for a variable. Each of --dashboards, --rules and --autoscalers reads files of all these kinds.

--ignore takes a family, a label of one family, or a label of all families: FAMILY, FAMILY{LABEL}, {LABEL}. Names are as in the output (a histogram without _bucket), without values or wildcards. A query whose only differences are ignored does not count. It is listed with that reason.

Exit codes: 0 if no difference counts, 1 if one does, 2 if something could not be checked: a file that cannot be read, a query that is not PromQL, or a variable without a value in the file. Other queries are still checked and listed.

Examples:
  ekiben migrate-check http://bentoml:3000/metrics http://localhost:3000/metrics
  ekiben migrate-check old.txt new.txt --dashboards 'dashboards/*.json' --rules 'rules/*.yml'
  ekiben migrate-check old.txt new.txt --autoscalers scaledobject.yaml
  ekiben migrate-check old.txt new.txt --ignore '{service_version}' --output json`
}

// Run compares the metrics. It returns an error if a difference counts or something
// could not be checked.
func (c migrateCheckCommand) Run(ctx context.Context, t terminal) error {
	report, err := c.report(ctx, t.stdin)
	if err != nil {
		if c.Output == "json" {
			if writeErr := writeJSON(t.stdout, map[string]any{"errors": texts(err)}); writeErr != nil {
				return writeErr
			}
			return usageError{reportedError{err}}
		}
		return usageError{err}
	}
	for _, pattern := range report.Unused {
		_, _ = fmt.Fprintf(t.stderr, "ekiben: warning: --ignore %s: no difference matches\n", pattern)
	}
	if c.Output == "json" {
		err = writeJSON(t.stdout, report)
	} else {
		err = report.WriteText(t.stdout)
	}
	switch {
	case err != nil:
		return err
	case report.Unchecked > 0:
		return usageError{reportedError{errUnchecked}}
	case report.Counted > 0:
		return reportedError{errDifferent}
	}
	return nil
}

// report reads all sources. Its error lists every source that cannot be read.
func (c migrateCheckCommand) report(ctx context.Context, stdin io.Reader) (migrate.Report, error) {
	errs := []error{c.oneInput()}
	for _, pattern := range c.Ignore {
		if err := migrate.CheckIgnored(pattern); err != nil {
			errs = append(errs, fmt.Errorf("--ignore: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return migrate.Report{}, err
	}
	before, err1 := migrate.Load(ctx, c.Old, stdin, c.Timeout)
	after, err2 := migrate.Load(ctx, c.New, stdin, c.Timeout)
	errs = append(errs, err1, err2)
	var queries []migrate.Query
	for _, flag := range c.files() {
		for _, pattern := range flag.patterns {
			found, err := readQueries(pattern, stdin)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %w", flag.name, err))
			}
			queries = append(queries, found...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return migrate.Report{}, err
	}
	return migrate.NewReport(before, after, queries, migrate.Options{Ignore: c.Ignore}), nil
}

type fileFlag struct {
	name     string
	patterns []string
}

func (c migrateCheckCommand) files() []fileFlag {
	return []fileFlag{{"--dashboards", c.Dashboards}, {"--rules", c.Rules}, {"--autoscalers", c.Autoscalers}}
}

// oneInput refuses a second - as an input, because standard input can be read once.
func (c migrateCheckCommand) oneInput() error {
	var found []string
	for _, one := range append([]fileFlag{{"OLD", []string{c.Old}}, {"NEW", []string{c.New}}}, c.files()...) {
		for _, source := range one.patterns {
			if source == "-" {
				found = append(found, one.name)
			}
		}
	}
	if len(found) > 1 {
		return fmt.Errorf("-: must be given once, since standard input can be read once, found for %s", strings.Join(found, ", "))
	}
	return nil
}

// readQueries reads the files that a pattern names, or standard input.
func readQueries(pattern string, stdin io.Reader) ([]migrate.Query, error) {
	if pattern == "-" {
		content, err := readBounded(stdin)
		if err != nil {
			return nil, err
		}
		return migrate.Read("standard input", content)
	}
	names, err := filepath.Glob(pattern)
	if _, statErr := os.Stat(pattern); statErr == nil { // a name with [ or * in it
		names, err = []string{pattern}, nil
	}
	if err == nil && len(names) == 0 {
		err = errors.New("no such file")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	var queries []migrate.Query
	var errs []error
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err == nil {
			var found []migrate.Query
			found, err = migrate.Read(name, content)
			queries = append(queries, found...)
		}
		errs = append(errs, err)
	}
	return queries, errors.Join(errs...)
}

// texts returns the messages of joined errors.
func texts(err error) []string {
	var all []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, texts(one)...)
		}
		return all
	}
	return []string{err.Error()}
}
