package real

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// compose reads a compose file with Compose's own loader, which checks its schema.
func compose(ctx context.Context, file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithoutEnvironmentResolution)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// TestCompose checks the compose file: its schema, the files that it mounts, its
// ports, and the variables of the service.
func TestCompose(t *testing.T) {
	file := filepath.Join(deploy, "compose", "compose.yaml")
	project := check.Value(compose(t.Context(), file))(t)
	content := read(t, file)
	broken := filled(t, map[string]string{"compose.yaml": strings.Replace(content, "volumes:", "volume:", 1)})
	if _, err := compose(t.Context(), filepath.Join(broken, "compose.yaml")); err == nil {
		t.Error("a broken file is accepted")
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); err != nil || !volume.ReadOnly {
				t.Errorf("%s: %v: %v", name, volume, err)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to other machines", name, port.Published)
			}
			if url := "http://localhost:" + port.Published; !strings.Contains(content, url) {
				t.Errorf("%s: the file does not name %s", name, url)
			}
		}
	}
	checkService(t, project.Services["service"])
}

// checkService checks the variables of a service with ekiben check, and the time
// that the service has to end.
func checkService(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	check := command(t, "ekiben", "check", "--output", "json")
	check.Env = variables(service)
	now := inEffect(t, check)
	if given := time.Duration(*service.StopGracePeriod); given.Seconds() < now.Shutdown.seconds()+5 {
		t.Errorf("the service has %v to end, and needs %+v and five seconds more", given, now.Shutdown)
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

// TestComposeRuns runs the service, the Collector and Prometheus with the files of
// the compose file, of which only addresses are changed. Prometheus must have each
// series once, and traces must arrive where Grafana looks for exemplars.
func TestComposeRuns(t *testing.T) {
	project := check.Value(compose(t.Context(), filepath.Join(deploy, "compose", "compose.yaml")))(t)
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
	mounted := func(service, target string) string {
		for _, volume := range project.Services[service].Volumes {
			if volume.Target == target {
				return here.Replace(read(t, volume.Source))
			}
		}
		t.Fatalf("%s has no %s", service, target)
		return ""
	}
	collecting := configFile(t, mounted("collector", "/etc/collector.yaml"))
	if out, err := tool(t, "collector", "validate", "--config", collecting); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start(t, local(internal)+"/metrics", command(t, "collector", "--config", collecting))
	environ := append(variables(project.Services["service"]), fmt.Sprint("EKIBEN_HTTP__PORT=", port))
	for i := range environ {
		environ[i] = here.Replace(environ[i])
	}
	serve := command(t, "ekiben", "serve")
	serve.Env = append(serve.Env, environ...)
	start(t, local(port)+"/readyz", serve)

	prometheus := reading(t, mounted("prometheus", "/etc/prometheus/prometheus.yml"), mounted("prometheus", "/etc/prometheus/rules.yml"))
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
	exemplar(t, local(port)+"/metrics", mounted("grafana", "/etc/grafana/provisioning/datasources/ekiben.yaml"))
}

// reading checks a configuration and its rules with promtool, and starts a
// Prometheus with them.
func reading(t *testing.T, config, rules string) server {
	t.Helper()
	dir := filled(t, map[string]string{"prometheus.yml": config, "rules.yml": rules})
	if out, err := tool(t, "promtool", "check", "config", filepath.Join(dir, "prometheus.yml")); err != nil || !strings.Contains(out, "1 rule files found") {
		t.Errorf("%v\n%s", err, out)
	}
	return startPrometheus(t, "prometheus3", strings.Replace(config, "[rules.yml]", "["+filepath.Join(dir, "rules.yml")+"]", 1))
}

// exemplar checks that the exemplars of /metrics have the label by which Grafana
// finds a trace.
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
	_, text := exposition(t, url, "application/openmetrics-text")
	return text
}

// TestChartCollector runs the Collector with the chart's file. Its probes must
// succeed. One of its endpoints has the service's metrics, the other its own.
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
	start(t, local(ports[text(live, "port")])+text(live, "path"), command(t, "collector", "--config", configFile(t, file)))
	eventually(t, "the readiness probe", func() bool {
		_, err := fetch(local(ports[text(container, "readinessProbe", "tcpSocket", "port")]))
		return err == nil || strings.Contains(err.Error(), "404")
	})
	port := freePort(t)
	startTwin(t, port, "otlp.enabled=true", "otlp.interval=1", "otlp.endpoint="+local(ports["otlp-http"]))
	eventually(t, "the pushed metrics", func() bool {
		text, err := fetch(local(ports["metrics"]) + "/metrics")
		return err == nil && strings.Contains(text, "bentoml_service_request_total{")
	})
	if text, err := fetch(local(ports["internal"]) + "/metrics"); err != nil || !strings.Contains(text, "otelcol_") || strings.Contains(text, "bentoml_service") {
		t.Errorf("the Collector's own metrics: %v\n%s", err, text)
	}
}
