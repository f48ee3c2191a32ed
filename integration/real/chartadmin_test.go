package real

import (
	"fmt"
	"strings"
	"testing"
)

// TestChartAdmin checks where the admin door has a port, and which door the probes and the monitor
// use.
func TestChartAdmin(t *testing.T) {
	t.Parallel()
	const private = "config.metrics.public=false,"
	for set, want := range map[string]string{
		"config.http.port=3000":                                 "pod: http 3000, Service: http 3000, probes: http /readyz HTTP, monitor: http /metrics",
		"config.admin.enabled=true":                             "pod: http 3000, Service: http 3000, probes: http /readyz HTTP, monitor: http /metrics",
		"config.admin.enabled=true,config.admin.host=127.0.0.2": "pod: http 3000, Service: http 3000, probes: http /readyz HTTP, monitor: http /metrics",
		admin: "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: http /readyz HTTP, monitor: http /metrics",
		admin + ",config.admin.host=,config.admin.port=9100": "pod: http 3000 admin 9100, Service: http 3000 admin 9100, probes: http /readyz HTTP, monitor: http /metrics",
		admin + ",service.type=NodePort":                     "pod: http 3000 admin 3001, Service: http 3000, probes: http /readyz HTTP, monitor: http /metrics",
		private + admin:                                      "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: admin /readyz HTTP, monitor: admin /metrics",
		private + admin + ",config.ssl.enabled=true,config.ssl.cert_reqs=2,config.http.path_prefix=/ml":                  "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: admin /readyz HTTP, monitor: admin /metrics",
		private + admin + ",config.admin.web_config_file=web.yml":                                                        "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: http /readyz HTTP, monitor: admin /metrics",
		private + admin + ",config.admin.web_config_file=web.yml,monitor.endpoint.scheme=https,monitor.endpoint.path=/m": "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: http /readyz HTTP, monitor: admin /m https bento-ekiben.models.svc",
		"config.ssl.enabled=true,config.http.path_prefix=/ml," + admin:                                                   "pod: http 3000 admin 3001, Service: http 3000 admin 3001, probes: http /ml/readyz HTTPS, monitor: http /ml/metrics https bento-ekiben.models.svc",
	} {
		rendered := render(t, set, "monitor.kind=pod")
		container := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec", "containers", 0)
		probe, endpoint := at(container, "readinessProbe", "httpGet"), at(monitorOf(t, rendered), 0)
		got := fmt.Sprintf("pod:%s, Service:%s, probes: %s %s %s, monitor: %s %s", portList(at(container, "ports"), "containerPort"), portList(at(objectOf(t, rendered, "Service", "bento-ekiben"), "spec", "ports"), "port"),
			text(probe, "port"), text(probe, "path"), text(probe, "scheme"), text(endpoint, "port"), text(endpoint, "path"))
		if scheme := text(endpoint, "scheme"); scheme != "" {
			got += " " + scheme + " " + text(endpoint, "tlsConfig", "serverName")
		}
		if got != want {
			t.Errorf("%s: got\n%s, want\n%s", set, got, want)
		}
	}
}

// portList lists names and numbers of ports.
func portList(of any, number string) string {
	var all strings.Builder
	list, _ := of.([]any)
	for _, port := range list {
		fmt.Fprintf(&all, " %s %v", text(port, "name"), at(port, number))
	}
	return all.String()
}
