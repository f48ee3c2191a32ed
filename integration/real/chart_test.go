package real

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// forms are values of the chart that the tests render.
var (
	forms = map[string][]string{
		"default":   nil,
		"admin":     {"monitor.kind=service,config.metrics.public=false,monitor.endpoint.basicAuth.username.name=scraper,monitor.endpoint.basicAuth.username.key=user," + admin},
		"keda":      {"autoscaling.by=keda", "monitor.kind=pod", "rules.enabled=true", "collector.enabled=true", "config.traffic.max_concurrency=32"},
		"hpa":       {"autoscaling.by=hpa", "monitor.kind=service", "config.shutdown.grace=2m", "config.shutdown.delay=1500ms", "config.metrics.duration.native=true"},
		"collector": {"monitor.kind=collector", "collector.enabled=true", "config.metrics.namespace=my-team"},
		"marked":    {"podLabels.team=search", "podAnnotations.owner=search", "serviceAccount.create=true", "serviceAccount.annotations.role=reader"},
		"secure":    {"monitor.kind=pod", "config.metrics.duration.native=true", "config.ssl.enabled=true", "config.ssl.certfile=tls.pem", "config.http.path_prefix=/ml", "monitor.tlsConfig.insecureSkipVerify=true"},
	}
)

// render renders the chart with Helm. A value without -- is for --set.
func render(t *testing.T, set ...string) string {
	t.Helper()
	out, err := template(t, set...)
	if err != nil {
		t.Fatalf("helm template %v: %v\n%s", set, err, out)
	}
	return out
}

func template(t *testing.T, set ...string) (string, error) {
	t.Helper()
	return templateOf(t, chart, set...)
}

func templateOf(t *testing.T, chart string, set ...string) (string, error) {
	t.Helper()
	return tool(t, "helm", append([]string{"template", "bento", chart, "--namespace", "models"}, sets(set)...)...)
}

// objects decodes manifests.
func objects(t *testing.T, rendered string) []map[string]any {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(rendered))
	var found []map[string]any
	for {
		var m map[string]any
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, m)
	}
}

// objectOf returns the manifest with a kind and a name.
func objectOf(t *testing.T, rendered, kind, name string) map[string]any {
	t.Helper()
	for _, m := range objects(t, rendered) {
		if m["kind"] == kind && at(m, "metadata", "name") == name {
			return m
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// at returns a value in a manifest, by keys and indices.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

func text(v any, path ...any) string { s, _ := at(v, path...).(string); return s }
func whole(v any, path ...any) int   { n, _ := at(v, path...).(int); return n }

// kserve returns the manifest of the InferenceService.
func kserve(t *testing.T) string {
	t.Helper()
	return read(t, deploy, "kubernetes", "kserve.yaml")
}

// TestChart renders the chart in its forms and checks the manifests with
// Kubernetes' own schemas.
func TestChart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, manifests string) {
		check.Must(t, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(manifests), 0o600))
	}
	for name, set := range forms {
		write(name, render(t, set...))
	}
	write("kserve", kserve(t))
	validate := func() ([]byte, error) {
		cmd := command(t, "kubectl-validate", dir, "--version", "1.30", "--local-crds", need(t, "crds"))
		cmd.Env = append(cmd.Env, "KUBECONFIG=/dev/null")
		return cmd.CombinedOutput()
	}
	if out, err := validate(); err != nil || bytes.Count(out, []byte("OK")) != len(forms)+1 {
		t.Errorf("%v\n%s", err, out)
	}
	write("broken", strings.Replace(render(t), "containerPort: 3000", "containerPort: http", 1))
	if out, err := validate(); err == nil {
		t.Errorf("a broken manifest is accepted:\n%s", out)
	}
}

// The service can write files of requests, in a folder of the chart or of the values.
func TestChartTemporaryFiles(t *testing.T) {
	for _, set := range [][]string{nil, {"volumeMounts[0].name=mine,volumeMounts[0].mountPath=/tmp/"}} {
		if got := strings.Count(render(t, set...), "mountPath: /tmp"); got != 1 {
			t.Errorf("%q: /tmp is mounted %d times", set, got)
		}
	}
}

// TestChartRefuses checks that the chart refuses values with which pods would never
// become ready, or would never be scaled.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	const collector = "monitor.kind=collector,collector.enabled=true,"
	for wrong, want := range map[string]string{
		"monitor.kind=collector": "needs collector.enabled",
		"config.http.port=0":     "must be between 1 and 65535, so that probes can find it, found 0",
		"config.http.port=70000": "at '/config/http/port': maximum: got 70,000, want 65,535",
		"config.http.port=0,config.http.path_prefix=ml,config.metrics.namespace=9lives": "found 0\nconfig.metrics.namespace: must begin with a letter",
		"config.http.host=127.0.0.1": `reach, such as 0.0.0.0, found "127.0.0.1"`,
		"config.http.host=::1":       `reach, such as 0.0.0.0, found "::1"`,
		"config.http.host=localhost": `reach, such as 0.0.0.0, found "localhost"`,
		"config.version=2":           "must be a configuration of Ekiben's own",
		"monitor.kind=collector,collector.enabled=true,autoscaling.by=keda":                                                  "needs metrics of the pods themselves",
		"config.ssl.enabled=true,config.ssl.cert_reqs=2":                                                                     "must be 0 or 1, found 2",
		"config.metrics.public=false,monitor.kind=service":                                                                   "monitor.kind: service scrapes the public port, and config.metrics.public is false; to scrape the admin door, set config.admin.enabled, and config.admin.host to 0.0.0.0",
		"config.metrics.public=false,monitor.kind=pod,config.admin.enabled=true":                                             "monitor.kind: pod scrapes the public port",
		"config.metrics.public=false,monitor.kind=pod," + admin + ",config.admin.enabled=false":                              "monitor.kind: pod scrapes the public port",
		"config.metrics.public=false,monitor.kind=service,service.type=LoadBalancer," + admin:                                "monitor.kind: must be pod with service.type LoadBalancer, found service",
		"config.admin.port=0," + admin:                                                                                       "config.admin.port: must be between 1 and 65535, so that monitors can find it, found 0",
		"config.admin.port=3000," + admin:                                                                                    "config.admin.port: must differ from config.http.port, found 3000 for both",
		"service.port=3001," + admin:                                                                                         "service.port: must differ from config.admin.port, which the Service has too, found 3001 for both",
		"config.ssl.enabled=true,config.ssl.cert_reqs=2," + admin:                                                            "config.ssl.cert_reqs: must be 0 or 1, found 2",
		"config.ssl.enabled=true,config.ssl.cert_reqs=2,config.admin.web_config_file=w,config.metrics.public=false," + admin: "config.ssl.cert_reqs: must be 0 or 1, found 2",
		"config.metrics.enabled=false,monitor.kind=pod":                                                                      "needs config.metrics.enabled",
		"config.metrics.conventions={http},autoscaling.by=hpa":                                                               "it must hold bentoml",
		"config.metrics.enabled=false,rules.enabled=true":                                                                    "rules.enabled: needs config.metrics.enabled",
		"config.metrics.conventions=http,rules.enabled=true":                                                                 `must hold bentoml, found ["http"]`,
		"config.metrics.conventions={http},rules.enabled=true":                                                               `must hold bentoml, found ["http"]`,
		"autoscaling.by=keda,autoscaling.min=0":                                                                              "autoscaling.min: must be 1 or more, found 0",
		"autoscaling.by=hpa,autoscaling.min=11":                                                                              "autoscaling.min: must be at most autoscaling.max (10), found 11",
		`podLabels.app\.kubernetes\.io/name=front`:                                                                           `podLabels: must not have app.kubernetes.io/name, by which the chart selects pods, found "front"`,
		"serviceAccount.annotations.role=reader":                                                                             "serviceAccount.annotations: needs serviceAccount.create",
		collector + "config.otlp.enabled=false":                                                                              "config.otlp.enabled: must be true with monitor.kind collector, which exposes only pushed metrics, found false",
		collector + "config.otlp.metrics.enabled=false":                                                                      "config.otlp.metrics.enabled: must not be false",
		collector + "rules.enabled=true,config.metrics.duration.native=true":                                                 "config.metrics.duration.native: must be false with rules.enabled and monitor.kind collector, found true",
		"enabled=false": "enabled: is only for a chart",
		"config.traffic.max_concurrency=8,autoscaling.by=hpa": "must be greater than autoscaling.inProgress (8), or",
	} {
		if out, err := template(t, wrong); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s, want %q", wrong, err, out, want)
		}
	}
}

// TestChartTakes renders values that are near those that the chart refuses.
func TestChartTakes(t *testing.T) {
	t.Parallel()
	const collector = "monitor.kind=collector,collector.enabled=true,"
	for _, near := range []string{
		"config.http.host=0.0.0.0",
		"config.admin.enabled=true,config.admin.port=0",
		"service.type=LoadBalancer,service.port=3001," + admin,
		"config.ssl.enabled=true,config.ssl.cert_reqs=2,config.metrics.public=false," + admin,
		collector + "config.otlp.enabled=false,config.otlp.metrics.enabled=true",
		collector + "config.otlp.metrics.enabled=null,rules.enabled=true",
		collector + "config.metrics.duration.native=true",
		collector + "config.metrics.duration.native=true,rules.enabled=true,rules.content=groups: []",
		"collector.enabled=true,config.otlp.metrics.enabled=false,monitor.kind=pod,rules.enabled=true,config.metrics.duration.native=true",
		"config.metrics.conventions=bentoml,autoscaling.by=keda,rules.enabled=true",
		"config.metrics.conventions={http},rules.enabled=true,rules.content=groups: []",
		"autoscaling.by=keda,autoscaling.min=1,config.traffic.max_concurrency=9",
		"autoscaling.by=hpa,config.traffic.max_concurrency=0",
		"autoscaling.min=0,config.traffic.max_concurrency=8",
		"autoscaling.by=hpa,autoscaling.min=10",
	} {
		render(t, near)
	}
}
