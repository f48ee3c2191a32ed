package telemetry

import (
	"log/slog"
	"maps"
	"os"
	"strconv"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The resource describes the source of data. OpenTelemetry's variables override
// detected attributes; a configured app overrides them. The command line is not
// included, because it may have secrets.
func TestResource(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.version=9", "OTEL_SERVICE_NAME": "variable",
		"POD_NAME": "echo-0", "POD_UID": "uid-1", "POD_NAMESPACE": "models", "NODE_NAME": "node-7", "CONTAINER_NAME": "main", "K8S_NODE_NAME": "node-8",
	} {
		t.Setenv(name, value)
	}
	none := map[string]string{"k8s.pod.name": "", "k8s.pod.uid": "", "k8s.namespace.name": "", "k8s.node.name": "", "k8s.container.name": ""}
	pod := map[string]string{"k8s.pod.name": "echo-0", "k8s.pod.uid": "uid-1", "k8s.namespace.name": "models", "k8s.node.name": "node-8", "k8s.container.name": "main"}
	for _, c := range []struct {
		kubernetes    string
		configured    config.App
		name, version string
		pod           map[string]string
	}{
		{"", config.App{}, "variable", "9", none},
		{"10.0.0.1", config.App{}, "variable", "9", pod},
		{"10.0.0.1", config.App{Name: "shop"}, "shop", "9", pod},
		{"10.0.0.1", config.App{Version: "3"}, "variable", "3", pod},
	} {
		t.Setenv("KUBERNETES_SERVICE_HOST", c.kubernetes)
		made := check.Value(newResource(c.configured, Identity{"shop", "3"}, slog.New(slog.DiscardHandler)))(t)
		got := map[string]string{}
		for _, kv := range made.Attributes() {
			got[string(kv.Key)] = kv.Value.Emit()
		}
		want := map[string]string{
			"service.name": c.name, "service.version": c.version, "deployment.environment.name": "test", "service.instance.id": instance(),
			"process.pid": strconv.Itoa(os.Getpid()), "telemetry.sdk.name": "opentelemetry", "process.command_args": "",
		}
		maps.Copy(want, c.pod)
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s is %q, want %q", key, got[key], value)
			}
		}
		for _, key := range []string{"host.name", "os.type", "process.runtime.name", "process.executable.name"} {
			if got[key] == "" {
				t.Errorf("there is no %s", key)
			}
		}
	}
}
