package real

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPods holds every pod against what draining and security ask for, and its
// configuration against ekiben check.
func TestPods(t *testing.T) {
	for name, set := range forms {
		rendered := render(t, set...)
		pod := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec")
		checkPod(t, name, pod, configOf(t, rendered))
		if got := text(environ(pod), "EKIBEN_CONFIG"); got != text(pod, "containers", 0, "volumeMounts", 0, "mountPath")+"/config.yaml" {
			t.Errorf("%s: EKIBEN_CONFIG is %q", name, got)
		}
		objectOf(t, rendered, "PodDisruptionBudget", "bento-ekiben")
		if strings.Contains(rendered, "bento-ekiben-collector") {
			collector := at(objectOf(t, rendered, "Deployment", "bento-ekiben-collector"), "spec", "template", "spec")
			checkConfined(t, name+": collector", collector)
			checkProbes(t, name+": collector", collector, "readinessProbe", "livenessProbe")
		}
	}
	checkPod(t, "kserve", at(objectOf(t, kserve(t), "InferenceService", "summarization"), "spec", "predictor"), "{}")
}

// checkPod holds a service's pod and its configuration file together.
func checkPod(t *testing.T, name string, pod any, configured string) {
	t.Helper()
	checkConfined(t, name, pod)
	checkProbes(t, name, pod, "readinessProbe", "livenessProbe", "startupProbe")
	container := at(pod, "containers", 0)
	if load := whole(container, "startupProbe", "periodSeconds") * whole(container, "startupProbe", "failureThreshold"); load < 120 {
		t.Errorf("%s: a model has %d s to load", name, load)
	}
	if enabled, ok := at(pod, "automountServiceAccountToken").(bool); enabled || !ok {
		t.Errorf("%s: it is given a token", name)
	}
	var effective struct {
		Config struct {
			Shutdown struct {
				Delay float64 `json:"delay"`
				Idle  float64 `json:"idle"`
				Grace float64 `json:"grace"`
			} `json:"shutdown"`
		} `json:"config"`
	}
	check := exec.CommandContext(t.Context(), need(t, "ekiben"), "check", configFile(t, configured), "--output", "json")
	check.Dir = filepath.Dir(selfSigned(t))
	out, err := check.Output()
	if err != nil || json.Unmarshal(out, &effective) != nil {
		t.Fatalf("%s: ekiben check: %v\n%s", name, err, out)
	}
	shutdown := effective.Config.Shutdown
	stop, given := whole(container, "lifecycle", "preStop", "sleep", "seconds"), whole(pod, "terminationGracePeriodSeconds")
	if needed := float64(stop) + shutdown.Delay + shutdown.Idle + shutdown.Grace; stop < 5 || shutdown.Grace < 30 || float64(given) < needed+5 {
		t.Errorf("%s: the pod is given %d s to end, and needs %v and five more", name, given, needed)
	}
}

// checkConfined holds a pod's only container against what security asks for.
func checkConfined(t *testing.T, name string, pod any) {
	t.Helper()
	container := at(pod, "containers", 0)
	for _, want := range []struct {
		value any
		path  []any
	}{
		{true, []any{"securityContext", "readOnlyRootFilesystem"}},
		{false, []any{"securityContext", "allowPrivilegeEscalation"}},
		{[]any{"ALL"}, []any{"securityContext", "capabilities", "drop"}},
		{nil, []any{"securityContext", "capabilities", "add"}},
		{nil, []any{"securityContext", "privileged"}},
		{nil, []any{"resources", "limits", "cpu"}},
	} {
		if got := at(container, want.path...); !reflect.DeepEqual(got, want.value) {
			t.Errorf("%s: %v is %v, want %v", name, want.path, got, want.value)
		}
	}
	for _, path := range [][]any{{"limits", "memory"}, {"requests", "memory"}, {"requests", "cpu"}} {
		if text(container, append([]any{"resources"}, path...)...) == "" {
			t.Errorf("%s: no %v", name, path)
		}
	}
	root, user := at(pod, "securityContext", "runAsNonRoot"), whole(pod, "securityContext", "runAsUser")
	if own := at(container, "securityContext"); at(own, "runAsUser") != nil {
		root, user = at(own, "runAsNonRoot"), whole(own, "runAsUser")
	}
	if root != true || user == 0 {
		t.Errorf("%s: runAsNonRoot is %v, and the user %d", name, root, user)
	}
}

// checkProbes has each probe ask a port that the container has.
func checkProbes(t *testing.T, name string, pod any, probes ...string) {
	t.Helper()
	container := at(pod, "containers", 0)
	for _, probe := range probes {
		for _, kind := range []string{"httpGet", "tcpSocket"} {
			if asked := at(container, probe, kind); asked != nil && portOf(container, at(asked, "port")) == 0 {
				t.Errorf("%s: the %s asks a port that is not there: %v", name, probe, asked)
			}
		}
		if at(container, probe, "httpGet") == nil && at(container, probe, "tcpSocket") == nil {
			t.Errorf("%s: no %s", name, probe)
		}
	}
}

// portOf is the number of a container's port, by name or number; 0 if it has none.
func portOf(container, port any) int {
	list, _ := at(container, "ports").([]any)
	for _, p := range list {
		if n := whole(p, "containerPort"); port == at(p, "name") || port == n {
			return n
		}
	}
	return 0
}

// environ are a container's variables.
func environ(pod any) map[string]any {
	variables := map[string]any{}
	list, _ := at(pod, "containers", 0, "env").([]any)
	for _, v := range list {
		variables[text(v, "name")] = at(v, "value")
	}
	return variables
}

// configOf is the configuration file that the chart makes.
func configOf(t *testing.T, rendered string) string {
	t.Helper()
	return text(objectOf(t, rendered, "ConfigMap", "bento-ekiben"), "data", "config.yaml")
}

func configFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if content == "{}" {
		content = "# nothing\n"
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProbesFollowConfig runs the container's command with the chart's file, and
// asks what the kubelet and Prometheus would ask.
func TestProbesFollowConfig(t *testing.T) {
	certificate := selfSigned(t)
	for name, set := range map[string][]string{
		"port":         nil,
		"prefix":       {"config.http.path_prefix=/ml/v1.0"},
		"tls":          {"config.ssl.enabled=true", "config.ssl.certfile=" + certificate},
		"tls, service": {"config.ssl.enabled=true", "config.ssl.certfile=" + certificate, "config.http.path_prefix=/ml", "monitor.kind=service"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			rendered := render(t, append([]string{"monitor.kind=pod", fmt.Sprintf("config.http.port=%d", port)}, set...)...)
			container := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec", "containers", 0)
			ask := func(from any) (string, error) {
				return fetch(fmt.Sprintf("%s://127.0.0.1:%d%s", strings.ToLower(text(from, "scheme")), portOf(container, at(from, "port")), text(from, "path")))
			}
			cmd := exec.Command(need(t, "ekiben"), "serve") //nolint:noctx // launchUntil ends it
			cmd.Env = []string{"EKIBEN_CONFIG=" + configFile(t, configOf(t, rendered))}
			cmd.SysProcAttr = &syscall.SysProcAttr{}
			launchUntil(t, "the startup probe", cmd, func() bool { _, err := ask(at(container, "startupProbe", "httpGet")); return err == nil })
			for _, probe := range []string{"readinessProbe", "livenessProbe"} {
				if _, err := ask(at(container, probe, "httpGet")); err != nil {
					t.Errorf("%s: %v", probe, err)
				}
			}
			endpoint := at(monitorOf(t, rendered), 0)
			if at(endpoint, "scheme") == nil {
				endpoint.(map[string]any)["scheme"] = "http"
			}
			if page, err := ask(endpoint); err != nil || !strings.Contains(page, "bentoml_service_request_total{") {
				t.Errorf("the monitor: %v", err)
			}
		})
	}
}

// monitorOf are the endpoints of the service's monitor.
func monitorOf(t *testing.T, rendered string) any {
	t.Helper()
	for _, m := range objects(t, rendered) {
		if at(m, "metadata", "name") == "bento-ekiben" && (m["kind"] == "PodMonitor" || m["kind"] == "ServiceMonitor") {
			for _, key := range []string{"podMetricsEndpoints", "endpoints"} {
				if list := at(m, "spec", key); list != nil {
					return list
				}
			}
		}
	}
	t.Fatal("there is no monitor")
	return nil
}

// fetch is what the kubelet does: no proxy, and any certificate.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as the kubelet
	res, err := client.Get(url)                                                                                                                                  //nolint:noctx // loopback
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(body), err
}

// selfSigned writes a certificate and its key into a file.
func selfSigned(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	file := filepath.Join(t.TempDir(), "tls.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
