package real

import (
	"strings"
	"testing"
)

// TestChartNames checks that every object, and every reference to one, has the
// configured name.
func TestChartNames(t *testing.T) {
	t.Parallel()
	everything := []string{"collector.enabled=true", "monitor.kind=pod", "rules.enabled=true"}
	for set, want := range map[string]struct{ name, label string }{
		"nameOverride=front":                               {"bento-front", "front"},
		"nameOverride=bento":                               {"bento", "bento"},
		"fullnameOverride=summarizer":                      {"summarizer", "ekiben"},
		"fullnameOverride=summarizer,nameOverride=front":   {"summarizer", "front"},
		"fullnameOverride=" + strings.Repeat("encoder", 6): {strings.Repeat("encoder", 6), "ekiben"},
	} {
		for _, by := range []string{"hpa", "keda"} {
			checkNames(t, render(t, append(everything, set, "autoscaling.by="+by)...), want.name, want.label)
		}
	}
}

func checkNames(t *testing.T, rendered, name, label string) {
	t.Helper()
	for _, o := range objects(t, rendered) {
		short, _ := strings.CutSuffix(text(o, "metadata", "name"), "-collector")
		if short != name {
			t.Errorf("%s: the %s is called %v", name, o["kind"], at(o, "metadata", "name"))
		}
		short, _ = strings.CutSuffix(text(o, "metadata", "labels", "app.kubernetes.io/name"), "-collector")
		if short != label {
			t.Errorf("%s: the %s has the labels %v", name, o["kind"], at(o, "metadata", "labels"))
		}
		if target := at(o, "spec", "scaleTargetRef", "name"); target != nil && target != name {
			t.Errorf("%s: the %s scales %v", name, o["kind"], target)
		}
		if query := text(o, "spec", "triggers", 0, "metadata", "query"); query != "" && !strings.Contains(query, `pod=~"`+name+`-[`) {
			t.Errorf("%s: KEDA asks %s", name, query)
		}
	}
	for _, of := range []string{name, name + "-collector"} {
		deployment, service := objectOf(t, rendered, "Deployment", of), objectOf(t, rendered, "Service", of)
		pods := at(deployment, "spec", "template", "metadata", "labels")
		if !selected(at(deployment, "spec", "selector", "matchLabels"), pods) || !selected(at(service, "spec", "selector"), pods) {
			t.Errorf("%s: no pod is selected: %v", of, pods)
		}
	}
	if config := text(objectOf(t, rendered, "ConfigMap", name), "data", "config.yaml"); !strings.Contains(config, "http://"+name+"-collector:4318") {
		t.Errorf("%s: the service pushes elsewhere:\n%s", name, config)
	}
}

// TestChartMarks checks that the service's pods get podLabels and podAnnotations,
// and keep the chart's own.
func TestChartMarks(t *testing.T) {
	t.Parallel()
	pod := func(set ...string) (any, any) {
		deployment := objectOf(t, render(t, append(set, "collector.enabled=true")...), "Deployment", "bento-ekiben")
		if at(deployment, "metadata", "labels", "team") != nil {
			t.Errorf("the Deployment has the labels %v", at(deployment, "metadata", "labels"))
		}
		if pods := at(deployment, "spec", "template", "metadata", "labels"); !selected(at(deployment, "spec", "selector", "matchLabels"), pods) {
			t.Errorf("no pod is selected: %v", pods)
		}
		return at(deployment, "spec", "template", "metadata", "labels"), at(deployment, "spec", "template", "metadata", "annotations")
	}
	_, plain := pod()
	labels, annotations := pod("podLabels.team=search", `podLabels.app\.kubernetes\.io/version=7.1`, "podAnnotations.owner=me", "podAnnotations.checksum/config=0x0")
	if at(labels, "team") != "search" || at(labels, "app.kubernetes.io/version") != "7.1" || at(labels, "helm.sh/chart") == nil {
		t.Errorf("the pods have the labels %v", labels)
	}
	if at(annotations, "owner") != "me" || at(annotations, "checksum/config") != at(plain, "checksum/config") {
		t.Errorf("the pods have the annotations %v, want those of %v too", annotations, plain)
	}
}
