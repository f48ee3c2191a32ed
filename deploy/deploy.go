// Package deploy holds files for the monitoring of a service: a Grafana dashboard,
// Prometheus rules, and configuration that starts both. The files in its folders are
// for the default namespace; [Write] makes them for another. Files of several
// namespaces can be loaded together, since names of rules, of groups and of the
// dashboard contain the namespace:
//
//	paths, err := deploy.Write("assets", deploy.WriteOptions{Options: deploy.Options{Namespace: "my_team"}})
//
// The command `ekiben assets` does the same. Read on: docs/dashboards.md.
package deploy

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ekiben-serving/ekiben/views"
)

//go:embed grafana prometheus/prometheus.yml prometheus/rules.yml
var files embed.FS

// Options select the content of the files.
type Options struct {
	// Namespace is metrics.namespace of the services. Default: bentoml_service.
	Namespace string
	// SLO is the duration in seconds above which a request is slow. It must be a
	// boundary of the services' histogram; metrics.slo adds one. Default: 1.
	SLO float64
	// Objective is the share of requests without an error, and of those the share
	// that is not slow. It is between 0.931 and 1. Default: 0.99.
	Objective float64
}

// WriteOptions configure [Write].
type WriteOptions struct {
	Options
	// Overwrite replaces files that exist with other content. Default: false, which
	// makes them an error.
	Overwrite bool
}

// ErrExists is the cause of an error of [Write] for a file that exists with other
// content.
var ErrExists = errors.New("exists with other content")

// Strings in the files for the default options.
const (
	defaultNamespace = views.DefaultNamespace
	defaultUID       = "ekiben-" + views.DefaultNamespace
	defaultLe        = `le=~"1|1[.]0"`
	defaultObjective = "(1 - 0.99)"
)

// Files returns the content of each file by its slash-separated path. Its error
// joins the errors of all options: a namespace that is illegal in a metric's name, an
// SLO that is not greater than 0, an objective out of range.
func Files(o Options) (map[string][]byte, error) {
	replacer, err := o.replacer()
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(path)
		all[path] = []byte(replacer.Replace(string(content)))
		return err
	})
	return all, err
}

func (o Options) replacer() (*strings.Replacer, error) {
	namespace, err := views.LegalNamespace(o.Namespace)
	var errs []error
	if err != nil {
		errs = append(errs, fmt.Errorf("namespace: %w", err))
	}
	if o.SLO == 0 {
		o.SLO = 1
	}
	if !(o.SLO > 0 && o.SLO < 1e9) {
		errs = append(errs, fmt.Errorf("slo: must be a number of seconds greater than 0, found %v", o.SLO))
	}
	if o.Objective == 0 {
		o.Objective = 0.99
	}
	if !(o.Objective > lowestObjective && o.Objective < 1) {
		errs = append(errs, fmt.Errorf("objective: must be between %.3f and 1, such as 0.99, found %v; with a lower one no alert can fire, since even a failure of every request burns the budget too slowly", lowestObjective, o.Objective))
	}
	return strings.NewReplacer(defaultUID, uid(namespace), defaultNamespace, namespace, defaultLe, boundary(o.SLO),
		defaultObjective, "(1 - "+strconv.FormatFloat(o.Objective, 'g', -1, 64)+")"), errors.Join(errs...)
}

// lowestObjective makes 14.4 times the budget, the threshold of the fastest alert,
// equal to all requests.
const lowestObjective = 1 - 1/14.4

// uid returns the dashboard's identifier, at most 40 characters as Grafana demands.
// Each namespace has its own, so that dashboards do not replace each other.
func uid(namespace string) string {
	const most = 40
	whole := "ekiben-" + strings.ReplaceAll(namespace, ":", "-") // a uid must not have a colon
	if len(whole) <= most && !strings.Contains(namespace, ":") {
		return whole
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(namespace)) // never fails
	return fmt.Sprintf("%s-%08x", whole[:min(len(whole), most-9)], hash.Sum32())
}

// boundary returns a matcher for le in both forms: as /metrics writes it, and as
// receivers of OTLP write it.
func boundary(seconds float64) string {
	form := byte('f')
	if seconds < 1e-4 { // the exponent form of Python and Go
		form = 'g'
	}
	text := strconv.FormatFloat(seconds, form, -1, 64)
	if strings.ContainsAny(text, ".e") {
		return `le="` + text + `"`
	}
	return `le=~"` + text + `|` + text + `[.]0"`
}

// Write writes the files below dir and returns their paths. If a file exists with
// other content and o.Overwrite is false, it writes nothing and returns an error
// that wraps [ErrExists] and names each such file.
func Write(dir string, o WriteOptions) ([]string, error) {
	all, err := Files(o.Options)
	if err != nil {
		return nil, err
	}
	var paths []string
	var errs []error
	for name, content := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		paths = append(paths, path)
		if there, err := os.ReadFile(path); err == nil && !bytes.Equal(there, content) && !o.Overwrite {
			errs = append(errs, fmt.Errorf("%s: %w", path, ErrExists))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for name, content := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as below
			return nil, err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // servers run as other users
			return nil, err
		}
	}
	return paths, nil
}
