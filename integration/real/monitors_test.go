package real

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// admin opens the admin door to other pods.
const admin = "config.admin.enabled=true,config.admin.host=0.0.0.0"

// TestMonitors checks that each monitor selects its pods or its Service, and no
// others, at ports that they have. Only one endpoint has the service's metrics.
func TestMonitors(t *testing.T) {
	t.Parallel()
	for set, want := range map[string][]string{
		"monitor.kind=pod":                                         {"bento-ekiben http /metrics honored"},
		"monitor.kind=service":                                     {"bento-ekiben http /metrics honored"},
		"monitor.kind=service,monitor.honorLabels=false":           {"bento-ekiben http /metrics"},
		"monitor.kind=service,collector.enabled=true":              {"bento-ekiben http /metrics honored", "bento-ekiben-collector internal /metrics"},
		"monitor.kind=pod,collector.enabled=true":                  {"bento-ekiben http /metrics honored", "bento-ekiben-collector internal /metrics"},
		"monitor.kind=collector,collector.enabled=true":            {"bento-ekiben-collector internal /metrics", "bento-ekiben-collector metrics /metrics honored"},
		"collector.enabled=true":                                   nil,
		"monitor.kind=pod,config.metrics.duration.native=true":     {"bento-ekiben http /metrics honored classic"},
		"monitor.kind=service,config.metrics.duration.native=true": {"bento-ekiben http /metrics honored classic"},
		"monitor.kind=pod,config.http.path_prefix=/ml/v1.0":        {"bento-ekiben http /ml/v1.0/metrics honored"},
		"monitor.kind=pod," + admin:                                {"bento-ekiben http /metrics honored"},
		"monitor.kind=pod,config.metrics.public=false," + admin:    {"bento-ekiben admin /metrics honored"},
		"monitor.kind=service,monitor.honorLabels=false,config.http.path_prefix=/ml,config.metrics.public=false," + admin: {"bento-ekiben admin /metrics"},
		"monitor.kind=pod,service.type=NodePort,config.metrics.public=false," + admin:                                     {"bento-ekiben admin /metrics honored"},
	} {
		rendered := render(t, set, "monitor.labels.release=prometheus")
		var got []string
		for _, m := range objects(t, rendered) {
			if kind, _ := m["kind"].(string); strings.HasSuffix(kind, "Monitor") {
				got = append(got, monitored(t, rendered, kind, m)...)
				if text(m, "metadata", "labels", "release") != "prometheus" {
					t.Errorf("%s: the operator does not select %v", set, at(m, "metadata"))
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", set, got, want)
		}
	}
}

// monitored returns the scrape targets of a monitor: object, port, path and options.
func monitored(t *testing.T, rendered, kind string, monitor any) (targets []string) {
	t.Helper()
	object, labels, ports, list := "Deployment", []any{"spec", "template", "metadata", "labels"}, []any{"spec", "template", "spec", "containers", 0, "ports"}, "podMetricsEndpoints"
	if kind == "ServiceMonitor" {
		object, labels, ports, list = "Service", []any{"metadata", "labels"}, []any{"spec", "ports"}, "endpoints"
	}
	endpoints, _ := at(monitor, "spec", list).([]any)
	for _, o := range objects(t, rendered) {
		if o["kind"] != object || !selected(at(monitor, "spec", "selector", "matchLabels"), at(o, labels...)) {
			continue
		}
		there, _ := at(o, ports...).([]any)
		for _, e := range endpoints {
			if !slices.ContainsFunc(there, func(p any) bool { return at(p, "name") == at(e, "port") }) {
				continue
			}
			target := fmt.Sprint(text(o, "metadata", "name"), " ", at(e, "port"), " ", at(e, "path"))
			if at(e, "honorLabels") == true {
				target += " honored"
			}
			if at(monitor, "spec", "scrapeClassicHistograms") == true {
				target += " classic"
			}
			targets = append(targets, target)
		}
	}
	return targets
}

func selected(selector, labels any) bool {
	wanted, _ := selector.(map[string]any)
	for name, value := range wanted {
		if at(labels, name) != value {
			return false
		}
	}
	return len(wanted) > 0
}

// TestSelectors checks that each Deployment, Service and PodDisruptionBudget selects
// its own pods only.
func TestSelectors(t *testing.T) {
	t.Parallel()
	rendered := render(t, "collector.enabled=true")
	pods := map[string]any{}
	for _, name := range []string{"bento-ekiben", "bento-ekiben-collector"} {
		pods[name] = at(objectOf(t, rendered, "Deployment", name), "spec", "template", "metadata", "labels")
	}
	for _, o := range objects(t, rendered) {
		selector := at(o, "spec", "selector", "matchLabels")
		if o["kind"] == "Service" {
			selector = at(o, "spec", "selector")
		}
		if selector == nil {
			continue
		}
		for name, labels := range pods {
			if own := text(o, "metadata", "name") == name; selected(selector, labels) != own {
				t.Errorf("%s %v selects the pods of %s: %v", o["kind"], at(o, "metadata", "name"), name, !own)
			}
		}
	}
	if most := whole(objectOf(t, rendered, "PodDisruptionBudget", "bento-ekiben"), "spec", "maxUnavailable"); most != 1 {
		t.Errorf("%d pods may be taken away at once", most)
	}
}
