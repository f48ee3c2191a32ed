package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// compose has Compose's own loader read a compose file, against its schema.
func compose(ctx context.Context, file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithoutEnvironmentResolution)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// TestCompose holds the compose file against its schema and what it mounts, and
// what it gives the service against ekiben check.
func TestCompose(t *testing.T) {
	file := filepath.Join(deploy, "compose", "compose.yaml")
	project, err := compose(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(content), "volumes:", "volume:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := compose(t.Context(), broken); err == nil {
		t.Error("what is broken is accepted")
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); err != nil || !volume.ReadOnly {
				t.Errorf("%s: %v: %v", name, volume, err)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: anybody may ask port %s", name, port.Published)
			}
			if url := "http://localhost:" + port.Published; !strings.Contains(string(content), url) {
				t.Errorf("%s: %s is not named", name, url)
			}
		}
	}
	checkService(t, project.Services["service"])
}

// checkService holds the variables of a service together with the time that it
// is given to end.
func checkService(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	check := exec.CommandContext(t.Context(), need(t, "ekiben"), "check", "--output", "json")
	check.Env = variables(service)
	now := inEffect(t, check)
	if given := time.Duration(*service.StopGracePeriod); given.Seconds() < now.Shutdown.seconds()+5 {
		t.Errorf("the service is given %v to end, and needs %+v and five seconds more", given, now.Shutdown)
	}
	if service.Ports[0].Target != now.HTTP.Port || !service.ReadOnly || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" {
		t.Errorf("ports %v, read_only %v, cap_drop %v", service.Ports, service.ReadOnly, service.CapDrop)
	}
}

func variables(service types.ServiceConfig) (environ []string) {
	for name, value := range service.Environment {
		environ = append(environ, name+"="+*value)
	}
	return environ
}

// TestComposeRuns runs the parts of the compose file that can be had, with its
// files but for addresses. Each number is there once; traces arrive where Grafana
// looks for those of exemplars.
func TestComposeRuns(t *testing.T) {
	project, err := compose(t.Context(), filepath.Join(deploy, "compose", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var spans atomic.Int64
	jaeger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil && r.URL.Path == "/v1/traces" {
			spans.Add(1)
		}
	}))
	t.Cleanup(jaeger.Close)
	port, otlp, internal := freePort(t), freePort(t), freePort(t)
	here := strings.NewReplacer("service:3000", fmt.Sprint("127.0.0.1:", port), "collector:4318", fmt.Sprint("127.0.0.1:", otlp), "0.0.0.0:4318", fmt.Sprint("127.0.0.1:", otlp),
		"collector:8888", fmt.Sprint("127.0.0.1:", internal), "port: 8888", fmt.Sprint("port: ", internal), "http://jaeger:4318", jaeger.URL)
	read := func(service, target string) string {
		for _, volume := range project.Services[service].Volumes {
			if volume.Target == target {
				content, err := os.ReadFile(volume.Source)
				if err != nil {
					t.Fatal(err)
				}
				return here.Replace(string(content))
			}
		}
		t.Fatalf("%s has no %s", service, target)
		return ""
	}
	collecting := configFile(t, read("collector", "/etc/collector.yaml"))
	if out, err := exec.CommandContext(t.Context(), need(t, "collector"), "validate", "--config", collecting).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start(t, local(internal)+"/metrics", nil, need(t, "collector"), "--config", collecting)
	environ := append(variables(project.Services["service"]), fmt.Sprint("EKIBEN_HTTP__PORT=", port))
	for i := range environ {
		environ[i] = here.Replace(environ[i])
	}
	start(t, local(port)+"/readyz", environ, need(t, "ekiben"), "serve")

	prometheus := reading(t, read("prometheus", "/etc/prometheus/prometheus.yml"), read("prometheus", "/etc/prometheus/rules.yml"))
	send(t, "POST", local(port)+"/summarize", `{"text": "One. Two."}`)
	eventually(t, "the Collector's own metrics", func() bool {
		return len(prometheus.ask(t, `{__name__=~"otelcol_process_uptime.*",job="collector"}`)) == 1
	})
	const requests = `bentoml_service_request_total{endpoint="/summarize",http_response_code="200"}`
	eventually(t, "one request", func() bool {
		got := prometheus.ask(t, requests)
		return len(got) == 1 && got[0].value == 1 && got[0].labels["job"] == "ekiben"
	})
	eventually(t, "a trace", func() bool { return spans.Load() > 0 })
	exemplar(t, local(port)+"/metrics", read("grafana", "/etc/grafana/provisioning/datasources/ekiben.yaml"))
}

// reading starts a Prometheus with a configuration that promtool accepts, and
// with the rules beside it.
func reading(t *testing.T, config, rules string) server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o600), os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), need(t, "promtool"), "check", "config", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "1 rule files found") {
		t.Errorf("%v\n%s", err, out)
	}
	return configured(t, "prometheus3", strings.Replace(config, "[rules.yml]", "["+filepath.Join(dir, "rules.yml")+"]", 1))
}

// exemplar has a page's exemplars carry the label by which Grafana finds a trace.
func exemplar(t *testing.T, url, provisioned string) {
	t.Helper()
	var grafana struct {
		Sources []struct {
			UID  string `yaml:"uid"`
			JSON struct {
				Destinations []struct {
					Name string `yaml:"name"`
					UID  string `yaml:"datasourceUid"`
				} `yaml:"exemplarTraceIdDestinations"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	if err := yaml.Unmarshal([]byte(provisioned), &grafana); err != nil || len(grafana.Sources) != 2 || len(grafana.Sources[0].JSON.Destinations) != 1 {
		t.Fatalf("%v %+v", err, grafana)
	}
	to := grafana.Sources[0].JSON.Destinations[0]
	if text := openMetrics(t, url); to.UID != grafana.Sources[1].UID || !strings.Contains(text, " # {"+to.Name+`="`) {
		t.Errorf("no exemplar has the label %s:\n%s", to.Name, text)
	}
}

func openMetrics(t *testing.T, url string) string {
	t.Helper()
	_, text := page(t, url, "application/openmetrics-text")
	return text
}

// TestChartCollector runs the chart's Collector with the chart's file: its probes
// answer; its pages have the service's metrics, and its own, and neither both.
func TestChartCollector(t *testing.T) {
	rendered := render(t, "collector.enabled=true")
	container := at(objectOf(t, rendered, "Deployment", "bento-ekiben-collector"), "spec", "template", "spec", "containers", 0)
	file, ports := text(objectOf(t, rendered, "ConfigMap", "bento-ekiben-collector"), "data", "collector.yaml"), map[string]int{}
	for _, name := range []string{"otlp-http", "otlp-grpc", "metrics", "internal"} {
		ports[name] = freePort(t)
		file = strings.ReplaceAll(file, fmt.Sprint(": 0.0.0.0:", portOf(container, name), "\n"), fmt.Sprint(": 127.0.0.1:", ports[name], "\n"))
		file = strings.ReplaceAll(file, fmt.Sprint("port: ", portOf(container, name), "\n"), fmt.Sprint("port: ", ports[name], "\n"))
	}
	live := at(container, "livenessProbe", "httpGet")
	start(t, local(ports[text(live, "port")])+text(live, "path"), nil, need(t, "collector"), "--config", configFile(t, file))
	eventually(t, "the readiness probe", func() bool {
		_, err := fetch(local(ports[text(container, "readinessProbe", "tcpSocket", "port")]))
		return err == nil || strings.Contains(err.Error(), "404")
	})
	port := freePort(t)
	start(t, local(port)+"/readyz", nil, need(t, "twin"), "--port", fmt.Sprint(port), "--set", "otlp.enabled=true", "--set", "otlp.interval=1", "--set", fmt.Sprint("otlp.endpoint=", local(ports["otlp-http"])))
	eventually(t, "what was pushed", func() bool {
		page, err := fetch(local(ports["metrics"]) + "/metrics")
		return err == nil && strings.Contains(page, "bentoml_service_request_total{")
	})
	if page, err := fetch(local(ports["internal"]) + "/metrics"); err != nil || !strings.Contains(page, "otelcol_") || strings.Contains(page, "bentoml_service") {
		t.Errorf("the page of the Collector's own metrics: %v\n%s", err, page)
	}
}
