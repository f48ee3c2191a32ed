package real

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get(url) //nolint:noctx // loopback
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
