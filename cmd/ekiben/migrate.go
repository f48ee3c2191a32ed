package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

type migrateCheckCommand struct {
	Old        string        `arg:"" help:"The page of what serves now: a URL, a file, or - for standard input."`
	New        string        `arg:"" help:"The page of what is to serve."`
	Dashboards []string      `help:"Grafana dashboards (JSON); may be a pattern, and be repeated." placeholder:"FILE" sep:"none"`
	Rules      []string      `help:"Files of alerting and recording rules, Prometheus' or an operator's; as above." placeholder:"FILE" sep:"none"`
	Ignore     []string      `help:"A difference that is meant, between the pages and in what queries select: FAMILY, FAMILY{LABEL} or {LABEL}; may be repeated." placeholder:"WHAT" sep:"none"`
	Timeout    time.Duration `help:"How long a page may take. 0: no limit." default:"10s"`
	Output     string        `help:"text or json." enum:"text,json" default:"text"`
}

// Help shows how the command is used.
func (migrateCheckCommand) Help() string {
	return `Compares two /metrics pages, family by family, label by label, boundary by boundary, and says what a dashboard would notice; with dashboards and rules, which panels and rules select other series than before. Send both servers the same requests first: a status or an endpoint that only one has seen is a difference.

--ignore takes a family, a label of one family, or a label of all: FAMILY, FAMILY{LABEL}, {LABEL}, by the names that the output has (a histogram without its _bucket), without values or wildcards. A query that notices nothing but what is ignored does not count, and is listed with that reason.

Exits with 0 if nothing would be noticed, with 1 if something would, with 2 if something could not be checked: a page or a file that cannot be read, or a query that is no PromQL. The other queries are checked then, and what they would notice is listed, too.

Examples:
  ekiben migrate-check http://bentoml:3000/metrics http://localhost:3000/metrics
  ekiben migrate-check old.txt new.txt --dashboards 'dashboards/*.json' --rules 'rules/*.yml'
  ekiben migrate-check old.txt new.txt --ignore '{service_version}' --output json`
}

// Run compares, and fails if something counts or could not be checked.
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
		_, _ = fmt.Fprintf(t.stderr, "ekiben: warning: --ignore %s: there is no such difference\n", pattern)
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

// report reads everything, and names all that cannot be read.
func (c migrateCheckCommand) report(ctx context.Context, stdin io.Reader) (migrate.Report, error) {
	var wrong []error
	for _, pattern := range c.Ignore {
		if err := migrate.CheckIgnored(pattern); err != nil {
			wrong = append(wrong, fmt.Errorf("--ignore: %w", err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return migrate.Report{}, err
	}
	before, err1 := migrate.Load(ctx, c.Old, stdin, c.Timeout)
	after, err2 := migrate.Load(ctx, c.New, stdin, c.Timeout)
	var queries []migrate.Query
	var recorded []string
	err3 := eachFile("--dashboards", c.Dashboards, func(name string, content []byte) error {
		found, err := migrate.Dashboard(name, content)
		queries = append(queries, found...)
		return err
	})
	err4 := eachFile("--rules", c.Rules, func(name string, content []byte) error {
		found, names, err := migrate.Rules(name, content)
		queries, recorded = append(queries, found...), append(recorded, names...)
		return err
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return migrate.Report{}, err
	}
	return migrate.NewReport(before, after, queries, migrate.Options{Recorded: recorded, Ignore: c.Ignore}), nil
}

// eachFile reads the files that patterns name.
func eachFile(flag string, patterns []string, read func(name string, content []byte) error) error {
	var errs []error
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err == nil && len(names) == 0 {
			err = errors.New("no such file")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", flag, pattern, err))
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err == nil {
				err = read(name, content)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

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
