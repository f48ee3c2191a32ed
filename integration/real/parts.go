package real

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// part is a program that tests run.
type part struct {
	path  string        // below the cache folder
	takes time.Duration // to make it, from an empty cache, about
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
	"postgres":         {"bin/postgres", 30 * time.Second, postgresql},
	"helm":             {"bin/helm", 2 * time.Minute, install("helm.sh/helm/v4/cmd/helm@v4.3.1")},
	"kubectl-validate": {"bin/kubectl-validate", 2 * time.Minute, install("sigs.k8s.io/kubectl-validate@v0.0.4")},
	"crds":             {"crds", 10 * time.Second, crds},
	"kills":            {"bin/kills", 10 * time.Second, kills},
	"ekiben":           {"bin/ekiben", 10 * time.Second, ekiben},
	"triton":           {"triton/bin/python", 60 * time.Second, python("triton", "tritonclient[http,grpc]==2.73.0", "mlserver==1.7.1", "numpy")},
	"twin":             {"bin/twin", 10 * time.Second, twin},
}

// cache creates the folder of the parts and returns it.
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
	return dir, os.MkdirAll(filepath.Join(dir, "bin"), 0o750) //nolint:gosec // the user chooses the folder
}

var (
	making sync.Mutex
	made   = map[string]bool{}
)

// ours lists the parts under test. Each run builds them again.
var ours = []string{"twin", "kills", "ekiben"}

// need returns the path of a part. It makes the part if the cache lacks it.
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

// Missing writes which parts are not in the cache, and how long the tests will take
// to make them.
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
		_, err = fmt.Fprintf(w, "not in the cache yet, made by the tests that need it: %s; this takes about %s\n", strings.Join(missing, ", "), total)
	}
	return err
}
