package real

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// TestProbesFollowConfig runs the service with the chart's configuration file, and
// sends the requests of the kubelet's probes and of Prometheus.
func TestProbesFollowConfig(t *testing.T) {
	certificate := selfSigned(t)
	private := fmt.Sprintf("config.metrics.public=false,config.admin.port=%d,%s", freePort(t), admin)
	for name, set := range map[string][]string{
		"port":                nil,
		"prefix":              {"config.http.path_prefix=/ml/v1.0"},
		"tls":                 {"config.ssl.enabled=true", "config.ssl.certfile=" + certificate},
		"admin":               {private, "config.http.path_prefix=/ml"},
		"admin, certificates": {private, "config.ssl.enabled=true", "config.ssl.cert_reqs=2", "config.ssl.certfile=" + certificate, "config.ssl.ca_certs=" + certificate},
		"tls, service":        {"config.ssl.enabled=true", "config.ssl.certfile=" + certificate, "config.http.path_prefix=/ml", "monitor.kind=service"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			rendered := render(t, append([]string{"monitor.kind=pod", fmt.Sprintf("config.http.port=%d", port)}, set...)...)
			container := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec", "containers", 0)
			url := func(from any) string {
				return fmt.Sprintf("%s://127.0.0.1:%d%s", strings.ToLower(text(from, "scheme")), portOf(container, at(from, "port")), text(from, "path"))
			}
			cmd := command(t, "ekiben", "serve")
			cmd.Env = []string{"EKIBEN_CONFIG=" + configFile(t, configOf(t, rendered))}
			start(t, url(at(container, "startupProbe", "httpGet")), cmd)
			for _, probe := range []string{"readinessProbe", "livenessProbe"} {
				if _, err := fetch(url(at(container, probe, "httpGet"))); err != nil {
					t.Errorf("%s: %v", probe, err)
				}
			}
			endpoint := at(monitorOf(t, rendered), 0)
			if at(endpoint, "scheme") == nil {
				endpoint.(map[string]any)["scheme"] = "http"
			}
			if text, err := fetch(url(endpoint)); err != nil || !strings.Contains(text, "bentoml_service_request_total{") {
				t.Errorf("the monitor: %v", err)
			}
		})
	}
}

// monitorOf returns the endpoints of the service's monitor.
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

// selfSigned writes a certificate and its key into a file, and returns its path.
func selfSigned(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key := check.Value(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))(t)
	content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	file := filepath.Join(t.TempDir(), "tls.pem")
	check.Must(t, os.WriteFile(file, content, 0o600))
	return file
}
