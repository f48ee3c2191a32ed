// Package deploy holds what stands beside a service: a Grafana dashboard, rules
// for Prometheus, and the files with which both come up. The files in its folders
// are for the default namespace; [Write] makes them for another one. Those of
// several namespaces can be loaded side by side: the names of rules, of groups
// and of the dashboard hold the namespace.
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

// Options are what the files depend on. The zero value of each is its default.
type Options struct {
	// Namespace is metrics.namespace of the services. Default: bentoml_service.
	Namespace string
	// SLO is the duration in seconds above which a request is slow. It must be a
	// boundary of the services' histogram, which metrics.slo makes it. Default: 1.
	SLO float64
	// Objective is the share of requests that are to be answered without an error,
	// and of those the share that are not slow. Default: 0.99.
	Objective float64
}

// ErrExists is wrapped by what Write returns for a file that is there and says
// something else.
var ErrExists = errors.New("exists and says something else")

// What the files hold for the defaults.
const (
	defaultNamespace = views.DefaultNamespace
	defaultUID       = "ekiben-" + views.DefaultNamespace
	defaultLe        = `le=~"1|1[.]0"`
	defaultObjective = "(1 - 0.99)"
)

// Files returns the files by their slash-separated paths. Errors: a namespace
// that no page can have, an SLO that is not greater than 0, an objective that is
// not between 0 and 1.
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
		errs = append(errs, fmt.Errorf("objective: must be between %.3f, below which no share of failures burns the budget fast enough to page, and 1, such as 0.99, found %v", lowestObjective, o.Objective))
	}
	return strings.NewReplacer(defaultUID, uid(namespace), defaultNamespace, namespace, defaultLe, boundary(o.SLO),
		defaultObjective, "(1 - "+strconv.FormatFloat(o.Objective, 'g', -1, 64)+")"), errors.Join(errs...)
}

// lowestObjective is where 14.4 times the budget, for which the rules page, is
// everything.
const lowestObjective = 1 - 1/14.4

// uid is the dashboard's, of which Grafana takes 40 characters at most. It is the
// namespace's own, so that a second dashboard does not replace the first.
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

// boundary matches le as the page writes it, and as OTLP's receivers do.
func boundary(seconds float64) string {
	form := byte('f')
	if seconds < 1e-4 { // as Python prints it, and Go
		form = 'g'
	}
	text := strconv.FormatFloat(seconds, form, -1, 64)
	if strings.ContainsAny(text, ".e") {
		return `le="` + text + `"`
	}
	return `le=~"` + text + `|` + text + `[.]0"`
}

// Write writes the files below dir, and returns their paths. One that is there
// already with other content is left alone, with an error that wraps
// [ErrExists], unless force is set; nothing is written then.
func Write(dir string, o Options, force bool) ([]string, error) {
	all, err := Files(o)
	if err != nil {
		return nil, err
	}
	var paths []string
	var errs []error
	for name, content := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		paths = append(paths, path)
		if there, err := os.ReadFile(path); err == nil && !bytes.Equal(there, content) && !force {
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
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // for servers that run as others
			return nil, err
		}
	}
	return paths, nil
}
