package real

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// part is a program that tests run.
type part struct {
	path  string        // in the cache
	takes time.Duration // about, from an empty cache
	make  func(dir, path string) error
}

var parts = map[string]part{
	"prometheus2":      {"prometheus2/usr/bin/prometheus", 10 * time.Second, debian("prometheus", "prometheus2")},
	"prometheus3":      {"bin/prometheus", 3 * time.Minute, install("github.com/prometheus/prometheus/cmd/prometheus@v0.316.0")},
	"victoria":         {"bin/victoria-metrics", 40 * time.Second, victoria},
	"bentoml":          {"bento/bin/bentoml", time.Minute, python("bento", "bentoml==1.4.39")},
	"collector":        {"bin/collector-" + digest(manifest), 2 * time.Minute, collector},
	"datadog":          {"datadog/bin/python", 30 * time.Second, datadog},
	"promtool":         {"prometheus2/usr/bin/promtool", 10 * time.Second, debian("prometheus", "prometheus2")},
	"schemathesis":     {"schemathesis/bin/schemathesis", 40 * time.Second, python("schemathesis", "schemathesis==4.32", "hypothesis==6.135.0", "hypothesis-jsonschema==0.23.1", "openapi-spec-validator==0.9.0")},
	"openapi":          {"openapi/node_modules/.bin/redocly", 40 * time.Second, node("openapi", "@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3")},
	"grafana":          {"types/node_modules/.bin/tsc", 10 * time.Second, node("types", "@grafana/schema@13.2.3", "typescript@5")},
	"grafana-queries":  {"types/queries/package/package.json", 10 * time.Second, grafanaQueries},
	"chromium":         {"bin/chromium", time.Minute, chromium},
	"helm":             {"bin/helm", 2 * time.Minute, install("helm.sh/helm/v4/cmd/helm@v4.3.1")},
	"kubectl-validate": {"bin/kubectl-validate", 2 * time.Minute, install("sigs.k8s.io/kubectl-validate@v0.0.4")},
	"crds":             {"crds", 10 * time.Second, crds},
	"ekiben":           {"bin/ekiben", 10 * time.Second, ekiben},
	"twin":             {"bin/twin", 10 * time.Second, twin},
}

// cache is the folder that parts are kept in.
func cache() (string, error) {
	dir := os.Getenv("REAL_PARTS")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "ekiben-parts")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(filepath.Join(dir, "bin"), 0o750) //nolint:gosec // whose machine it is says where
}

var (
	making sync.Mutex
	made   = map[string]bool{}
)

// ours are the parts that are made once a run: they are what is tested.
var ours = []string{"twin", "ekiben"}

// need returns the path of a part, which it makes if it is not there.
func need(t *testing.T, name string) string {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	dir, err := cache()
	if err != nil {
		t.Fatal(err)
	}
	p := parts[name]
	path := filepath.Join(dir, p.path)
	if _, err := os.Stat(path); err == nil && (made[name] || !slices.Contains(ours, name)) {
		return path
	}
	t.Logf("making %s, which takes about %s", name, p.takes)
	if err := p.make(dir, path); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	made[name] = true
	return path
}

// Missing says which parts are not there yet, and how long the tests will take to
// make them. What is ours is made by each run.
func Missing(w io.Writer) error {
	dir, err := cache()
	if err != nil {
		return err
	}
	var missing []string
	total := time.Duration(0)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if _, err := os.Stat(filepath.Join(dir, parts[name].path)); err != nil {
			missing = append(missing, name)
			total += parts[name].takes
		}
	}
	if len(missing) == 0 {
		_, err = fmt.Fprintln(w, "every part is in the cache")
	} else {
		_, err = fmt.Fprintf(w, "not in the cache yet, made by the tests that need it: %s; all of it takes about %s\n", strings.Join(missing, ", "), total)
	}
	return err
}

// run runs a command, in a folder, and has its output in its error.
func run(dir string, environ []string, command ...string) error {
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}

func install(module string) func(dir, path string) error {
	return func(dir, _ string) error {
		return run(dir, []string{"GOBIN=" + filepath.Join(dir, "bin"), "GOFLAGS="}, "go", "install", "-tags", "remove_all_sd", "-ldflags", "-s -w", module)
	}
}

// debian takes a package apart without installing it.
func debian(name, folder string) func(dir, path string) error {
	return func(dir, _ string) error {
		at, err := os.MkdirTemp(dir, "deb")
		if err != nil {
			return err
		}
		defer os.RemoveAll(at)  //nolint:errcheck // a temporary folder
		_ = os.Chmod(at, 0o777) //nolint:gosec // apt downloads as a user of its own
		if err := run(at, nil, "apt-get", "download", name); err != nil {
			if again := errors.Join(run(at, nil, "apt-get", "update"), run(at, nil, "apt-get", "download", name)); again != nil {
				return again
			}
		}
		files, err := filepath.Glob(filepath.Join(at, "*.deb"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("found %d packages: %w", len(files), err)
		}
		return run(at, nil, "dpkg-deb", "-x", files[0], filepath.Join(dir, folder))
	}
}

// python makes a virtual environment, for which Debian has a package of its own.
func python(folder string, packages ...string) func(dir, path string) error {
	return func(dir, _ string) error {
		at := filepath.Join(dir, folder)
		if err := run(dir, nil, "python3", "-m", "venv", at); err != nil {
			installed := errors.Join(run(dir, nil, "apt-get", "update"), run(dir, nil, "apt-get", "install", "-y", "--no-install-recommends", "python3-venv"))
			if again := run(dir, nil, "python3", "-m", "venv", "--clear", at); again != nil {
				return errors.Join(err, installed, again)
			}
		}
		return run(dir, nil, append([]string{filepath.Join(at, "bin", "pip"), "install", "-q"}, packages...)...)
	}
}

// sourceOf downloads a module, and returns the folder it is in.
func sourceOf(module string) (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w\n%s", module, err, out)
	}
	var found struct {
		Dir string `json:"Dir"`
	}
	err = json.Unmarshal(out, &found)
	return found.Dir, err
}

// victoria builds from a copy of the module: its go.mod replaces modules, which
// go install refuses.
func victoria(dir, path string) error {
	const module = "github.com/VictoriaMetrics/VictoriaMetrics@v1.122.0"
	found, err := sourceOf(module)
	if err != nil {
		return err
	}
	source := filepath.Join(dir, "victoria")
	return errors.Join(
		run(dir, nil, "rm", "-rf", source), run(dir, nil, "cp", "-r", found, source), run(dir, nil, "chmod", "-R", "u+w", source),
		run(source, []string{"GOFLAGS="}, "go", "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", path, "./app/victoria-metrics"))
}

// manifest is what the Collector is made of: OTLP in, a page, a file and OTLP
// out, and what the files in deploy name besides.
const manifest = `
dist: {name: collector, output_path: ./source, module: example.org/collector}
receivers:
- gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.155.0
processors:
- gomod: go.opentelemetry.io/collector/processor/batchprocessor v0.155.0
- gomod: go.opentelemetry.io/collector/processor/memorylimiterprocessor v0.155.0
exporters:
- gomod: go.opentelemetry.io/collector/exporter/debugexporter v0.155.0
- gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v0.155.0
- gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter v0.155.0
- gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v0.155.0
providers:
- gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.61.0
- gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.61.0
- gomod: go.opentelemetry.io/collector/confmap/provider/yamlprovider v1.61.0
`

// digest is a name for what a part is made of: with another manifest it is made
// again.
func digest(manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	return hex.EncodeToString(sum[:4])
}

// collector writes the Collector's main package with its own builder, and builds
// that. The builder fails at tidying, for want of modules that only tests of
// exporters need; what it has written by then is enough.
func collector(dir, path string) error {
	builder := filepath.Join(dir, "bin", "builder")
	if _, err := os.Stat(builder); err != nil {
		if err := install("go.opentelemetry.io/collector/cmd/builder@v0.155.0")(dir, ""); err != nil {
			return err
		}
	}
	at, err := os.MkdirTemp(dir, "collector")
	if err != nil {
		return err
	}
	defer os.RemoveAll(at) //nolint:errcheck // a temporary folder
	if err := os.WriteFile(filepath.Join(at, "manifest.yaml"), []byte(manifest), 0o600); err != nil {
		return err
	}
	wrote := run(at, nil, builder, "--config", "manifest.yaml", "--skip-compilation")
	built := run(filepath.Join(at, "source"), []string{"GOFLAGS="}, "go", "build", "-mod=mod", "-trimpath", "-tags", "remove_all_sd", "-ldflags", "-s -w", "-o", path, ".")
	if built != nil {
		return errors.Join(wrote, built)
	}
	return nil
}

// datadog makes an environment with the base of Datadog's checks. That pins
// versions which need not be had, so what it imports is named here.
func datadog(dir, path string) error {
	at := filepath.Join(dir, "datadog")
	return errors.Join(
		python("datadog", "--no-deps", "datadog-checks-base==38.7.0")(dir, path),
		run(dir, nil, filepath.Join(at, "bin", "pip"), "install", "-q", "prometheus-client", "requests", "requests-toolbelt", "requests-unixsocket2", "simplejson",
			"pyyaml", "wrapt", "lazy-loader", "cachetools", "jellyfish", "binary", "python-dateutil", "pydantic", "cryptography"))
}

// node installs npm packages into a folder. Node is a Debian package where it is
// missing.
func node(folder string, packages ...string) func(dir, path string) error {
	return func(dir, _ string) error {
		at := filepath.Join(dir, folder)
		if err := os.MkdirAll(at, 0o750); err != nil {
			return err
		}
		if _, err := exec.LookPath("npm"); err != nil {
			if err := errors.Join(run(dir, nil, "apt-get", "update"), run(dir, nil, "apt-get", "install", "-y", "--no-install-recommends", "nodejs", "npm")); err != nil {
				return err
			}
		}
		return run(at, nil, append([]string{"npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", at}, packages...)...)
	}
}

// grafanaQueries fetches the types of Grafana's queries to Prometheus, without
// what the package is made of.
func grafanaQueries(dir, _ string) error {
	at := filepath.Join(dir, "types", "queries")
	if err := os.MkdirAll(at, 0o750); err != nil {
		return err
	}
	return errors.Join(
		run(at, nil, "npm", "pack", "--silent", "@grafana/prometheus@13.2.3"),
		run(at, nil, "tar", "-xzf", "grafana-prometheus-13.2.3.tgz", "package/package.json", "package/dist/types"))
}

// chromium is Debian's package, which needs to be installed for what it depends
// on; one that is there already does as well.
func chromium(dir, path string) error {
	installed, err := exec.LookPath("chromium")
	if err != nil {
		if err := errors.Join(run(dir, nil, "apt-get", "update"), run(dir, nil, "apt-get", "install", "-y", "--no-install-recommends", "chromium")); err != nil {
			return err
		}
		if installed, err = exec.LookPath("chromium"); err != nil {
			return err
		}
	}
	return os.Symlink(installed, path)
}

// crds copies the schemas of what operators add to Kubernetes out of their
// modules.
func crds(dir, path string) error {
	for module, files := range map[string]string{
		"github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/monitoring.coreos.com_*.yaml",
		"github.com/kedacore/keda/v2@v2.21.0":                        "config/crd/bases/keda.sh_scaledobjects.yaml",
		"github.com/kserve/kserve@v0.15.2":                           "config/crd/full/serving.kserve.io_inferenceservices.yaml",
	} {
		source, err := sourceOf(module)
		if err != nil {
			return err
		}
		names, err := filepath.Glob(filepath.Join(source, filepath.FromSlash(files)))
		if err != nil || len(names) == 0 {
			return fmt.Errorf("%s: no %s: %w", module, files, err)
		}
		if err := os.MkdirAll(path, 0o750); err != nil {
			return err
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(path, filepath.Base(name)), content, 0o600); err != nil { //nolint:gosec // as above
				return err
			}
		}
	}
	return nil
}

func twin(_, path string) error {
	return run(filepath.Join("..", ".."), nil, "go", "build", "-o", path, "./integration/twin")
}

func ekiben(_, path string) error {
	return run(filepath.Join("..", ".."), nil, "go", "build", "-o", path, "./cmd/ekiben")
}
