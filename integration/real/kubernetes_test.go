package real

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

var deploy = filepath.Join("..", "..", "deploy")

// render has helm make the chart's manifests.
func render(t *testing.T, set ...string) string {
	t.Helper()
	args := []string{"template", "bento", filepath.Join(deploy, "kubernetes", "chart"), "--namespace", "models"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	out, err := exec.CommandContext(t.Context(), need(t, "helm"), args...).Output()
	if err != nil {
		t.Fatalf("helm template %v: %v", set, err)
	}
	return string(out)
}

// objectOf is the one of a kind among manifests.
func objectOf(t *testing.T, rendered, kind, name string) map[string]any {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(rendered))
	for {
		var m map[string]any
		if err := decoder.Decode(&m); err != nil {
			t.Fatalf("there is no %s %s: %v", kind, name, err)
		}
		if m["kind"] == kind && at(m, "metadata", "name") == name {
			return m
		}
	}
}

// at goes down a manifest: by key, or by index.
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

// TestChart has helm render the chart in its forms, and Kubernetes' own schemas
// accept what comes out.
func TestChart(t *testing.T) {
	dir := t.TempDir()
	forms := map[string][]string{
		"default": nil,
		"keda":    {"autoscaling.by=keda", "monitor.kind=pod", "rules.enabled=true", "collector.enabled=true", "config.traffic.max_concurrency=32"},
		"hpa":     {"autoscaling.by=hpa", "monitor.kind=service", "drain.grace=120"},
	}
	for name, set := range forms {
		rendered := render(t, set...)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(rendered), 0o600); err != nil {
			t.Fatal(err)
		}
		checkPod(t, name, rendered)
	}
	kserve, err := os.ReadFile(filepath.Join(deploy, "kubernetes", "kserve.yaml"))
	if err != nil || os.WriteFile(filepath.Join(dir, "kserve.yaml"), kserve, 0o600) != nil {
		t.Fatal(err)
	}
	validate := func() ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), need(t, "kubectl-validate"), dir, "--version", "1.30", "--local-crds", need(t, "crds"))
		cmd.Env = append(cmd.Environ(), "KUBECONFIG=/dev/null")
		return cmd.CombinedOutput()
	}
	if out, err := validate(); err != nil || bytes.Count(out, []byte("OK")) != len(forms)+1 {
		t.Errorf("%v\n%s", err, out)
	}
	broken := strings.Replace(render(t), "containerPort: 3000", "containerPort: http", 1)
	if err := os.WriteFile(filepath.Join(dir, "broken.yaml"), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := validate(); err == nil {
		t.Errorf("what is broken is accepted:\n%s", out)
	}
	for _, wrong := range []string{"autoscaling.by=both", "monitor.kind=none"} {
		out, err := exec.CommandContext(t.Context(), need(t, "helm"), "template", filepath.Join(deploy, "kubernetes", "chart"), "--set", wrong).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "must be") {
			t.Errorf("%s: %v %s", wrong, err, out)
		}
	}
	ours, err1 := os.ReadFile(filepath.Join(deploy, "prometheus", "rules.yml"))
	chart, err2 := os.ReadFile(filepath.Join(deploy, "kubernetes", "chart", "files", "rules.yml"))
	if err1 != nil || err2 != nil || !bytes.Equal(ours, chart) {
		t.Errorf("the chart's rules are not those of deploy/prometheus: %v %v", err1, err2)
	}
}

// checkPod holds the pod against what draining and security ask for, and its
// configuration against ekiben check.
func checkPod(t *testing.T, name, rendered string) {
	t.Helper()
	spec := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec")
	configured, _ := at(objectOf(t, rendered, "ConfigMap", "bento-ekiben"), "data", "config.yaml").(string)
	var cfg map[string]any
	if err := yaml.Unmarshal([]byte(configured), &cfg); err != nil {
		t.Fatal(err)
	}
	number := func(v any) int { n, _ := v.(int); return n }
	needed := number(at(spec, "containers", 0, "lifecycle", "preStop", "sleep", "seconds")) + number(at(cfg, "shutdown", "idle")) + number(at(cfg, "shutdown", "grace"))
	if given := number(at(spec, "terminationGracePeriodSeconds")); needed < 40 || given <= needed {
		t.Errorf("%s: the pod is given %d s, and needs %d", name, given, needed)
	}
	for _, want := range [][]any{
		{true, "securityContext", "runAsNonRoot"},
		{true, "containers", 0, "securityContext", "readOnlyRootFilesystem"},
		{false, "containers", 0, "securityContext", "allowPrivilegeEscalation"},
		{"/readyz", "containers", 0, "readinessProbe", "httpGet", "path"},
		{"/livez", "containers", 0, "livenessProbe", "httpGet", "path"},
	} {
		if got := at(spec, want[1:]...); got != want[0] {
			t.Errorf("%s: %v is %v, want %v", name, want[1:], got, want[0])
		}
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(configured), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), need(t, "ekiben"), "check", file)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%s: ekiben check: %v\n%s", name, err, out)
	}
}

// TestReplicas asks what KEDA and prometheus-adapter would ask, while a known
// number of requests is held: the answers make the right number of replicas.
func TestReplicas(t *testing.T) {
	rendered := render(t, "autoscaling.by=keda", "autoscaling.inProgress=2")
	trigger := at(objectOf(t, rendered, "ScaledObject", "bento-ekiben"), "spec", "triggers", 0, "metadata")
	keda, _ := at(trigger, "query").(string)
	threshold, err := strconv.ParseFloat(at(trigger, "threshold").(string), 64)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(deploy, "kubernetes", "prometheus-adapter.yaml"))
	var adapter map[string]any
	if err != nil || yaml.Unmarshal(content, &adapter) != nil {
		t.Fatal(err)
	}
	query, _ := at(adapter, "rules", "custom", 0, "metricsQuery").(string)
	perPod := strings.NewReplacer("<<.Series>>", "bentoml_service_request_in_progress", "<<.LabelMatchers>>", `namespace="models",pod=~"bento-ekiben-a|bento-ekiben-b"`, "<<.GroupBy>>", "pod").Replace(query)

	ports := map[string]int{"a": freePort(t), "b": freePort(t)}
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n")
	for pod, port := range ports {
		start(t, local(port)+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(port), "--set", "logging.access.enabled=false", "--set", "traffic.timeout=60")
		for _, operator := range []string{"", ", endpoint: http"} { // of two operators, one keeps our label
			name := "plain"
			if operator != "" {
				name = "operator"
			}
			config.WriteString("- {job_name: " + name + "-" + pod + ", static_configs: [{targets: ['127.0.0.1:" + strconv.Itoa(port) + "'], labels: {namespace: models" + name + ", pod: bento-ekiben-" + pod + operator + "}}]}\n")
		}
	}
	prometheus := configured(t, "prometheus3", config.String())
	ctx, release := context.WithCancel(t.Context())
	var held sync.WaitGroup
	defer held.Wait()
	defer release()
	for pod, n := range map[string]int{"a": 3, "b": 2} {
		for range n {
			held.Go(func() { _, _ = post(ctx, local(ports[pod])+"/summarize", `{"text":"sleep:50"}`) })
		}
	}
	for _, namespace := range []string{"modelsplain", "modelsoperator"} {
		in := func(query string) string {
			return strings.ReplaceAll(query, `namespace="models"`, `namespace="`+namespace+`"`)
		}
		eventually(t, namespace+": five in progress", func() bool { return vector(prometheus.ask(t, in(keda)))["{}"] == 5 })
		if replicas := math.Ceil(vector(prometheus.ask(t, in(keda)))["{}"] / threshold); replicas != 3 {
			t.Errorf("%s: KEDA wants %v replicas, want 3", namespace, replicas)
		}
		pods := vector(prometheus.ask(t, in(perPod)))
		if pods[`{pod="bento-ekiben-a"}`] != 3 || pods[`{pod="bento-ekiben-b"}`] != 2 || len(pods) != 2 {
			t.Errorf("%s: prometheus-adapter sees %v", namespace, pods)
		}
		average := (pods[`{pod="bento-ekiben-a"}`] + pods[`{pod="bento-ekiben-b"}`]) / 2
		if replicas := math.Ceil(2 * average / threshold); replicas != 3 {
			t.Errorf("%s: the HPA wants %v replicas, want 3", namespace, replicas)
		}
	}
}

// TestCompose finds every file that the compose file mounts, and has the
// Collector read its own.
func TestCompose(t *testing.T) {
	dir := filepath.Join(deploy, "compose")
	content, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	var compose struct {
		Services map[string]struct {
			Volumes []string `yaml:"volumes"`
		} `yaml:"services"`
	}
	if err != nil || yaml.Unmarshal(content, &compose) != nil || len(compose.Services) != 4 {
		t.Fatalf("%v %v", err, compose)
	}
	for name, service := range compose.Services {
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), need(t, "collector"), "validate", "--config", filepath.Join(dir, "collector.yaml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
