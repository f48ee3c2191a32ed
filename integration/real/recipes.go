package real

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// victoria builds a copy of the module. Its go.mod replaces modules, which go install
// refuses.
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

// manifest lists the components of the Collector: those that the tests and the
// files in deploy use.
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

// digest returns a name for a manifest, so that the Collector is built again if the
// manifest changes.
func digest(manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	return hex.EncodeToString(sum[:4])
}

// collector writes the Collector's main package with its own builder, and builds it.
// The builder fails at go mod tidy, because modules of some tests are missing. By
// then it has written everything that the build needs.
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

// datadog makes an environment with the base of Datadog's checks. It names their
// dependencies itself, because the package pins versions that may be missing.
func datadog(dir, path string) error {
	at := filepath.Join(dir, "datadog")
	return errors.Join(
		python("datadog", "--no-deps", "datadog-checks-base==38.7.0")(dir, path),
		run(dir, nil, filepath.Join(at, "bin", "pip"), "install", "-q", "prometheus-client", "requests", "requests-toolbelt", "requests-unixsocket2", "simplejson",
			"pyyaml", "wrapt", "lazy-loader", "cachetools", "jellyfish", "binary", "python-dateutil", "pydantic", "cryptography"))
}

// node installs npm packages into a folder. If Node is missing, it installs Debian's
// package of Node.
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

// grafanaQueries fetches the types of Grafana's queries to Prometheus, without the
// dependencies of the package.
func grafanaQueries(dir, _ string) error {
	at := filepath.Join(dir, "types", "queries")
	if err := os.MkdirAll(at, 0o750); err != nil {
		return err
	}
	return errors.Join(
		run(at, nil, "npm", "pack", "--silent", "@grafana/prometheus@13.2.3"),
		run(at, nil, "tar", "-xzf", "grafana-prometheus-13.2.3.tgz", "package/package.json", "package/dist/types"))
}

// chromium installs Debian's package with its dependencies, unless there is a
// Chromium already.
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

// postgresql links the programs of Debian's PostgreSQL, and installs it if there is none:
// the package also makes the user that the server runs as.
func postgresql(dir, path string) error {
	const folders = "/usr/lib/postgresql/*/bin"
	found, _ := filepath.Glob(folders)
	if len(found) == 0 {
		if err := errors.Join(run(dir, nil, "apt-get", "update"), run(dir, nil, "apt-get", "install", "-y", "--no-install-recommends", "postgresql")); err != nil {
			return err
		}
		if found, _ = filepath.Glob(folders); len(found) == 0 {
			return fmt.Errorf("the package postgresql has no %s", folders)
		}
	}
	return os.Symlink(found[len(found)-1], path)
}

// crds copies the custom resource definitions of operators out of their modules.
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

func kills(_, path string) error {
	return run(filepath.Join("..", ".."), nil, "go", "build", "-o", path, "./integration/kills")
}

func ekiben(_, path string) error {
	return run(filepath.Join("..", ".."), nil, "go", "build", "-o", path, "./cmd/ekiben")
}
