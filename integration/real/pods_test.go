package real

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestPods checks every pod: its security settings, its probes, the time that it has
// to drain, and its configuration with ekiben check.
func TestPods(t *testing.T) {
	t.Parallel()
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

// checkPod checks a service's pod with its configuration file.
func checkPod(t *testing.T, name string, pod any, configured string) {
	t.Helper()
	checkConfined(t, name, pod)
	checkProbes(t, name, pod, "readinessProbe", "livenessProbe", "startupProbe")
	container := at(pod, "containers", 0)
	if load := whole(container, "startupProbe", "periodSeconds") * whole(container, "startupProbe", "failureThreshold"); load < 120 {
		t.Errorf("%s: a model has %d s to load", name, load)
	}
	if enabled, ok := at(pod, "automountServiceAccountToken").(bool); enabled || !ok {
		t.Errorf("%s: it mounts a token", name)
	}
	check := command(t, "ekiben", "check", configFile(t, configured), "--output", "json")
	check.Dir = filepath.Dir(selfSigned(t))
	ends := inEffect(t, check).Shutdown
	stop, given := whole(container, "lifecycle", "preStop", "sleep", "seconds"), whole(pod, "terminationGracePeriodSeconds")
	if needed := float64(stop) + ends.seconds(); stop < 5 || ends.Grace < 30 || float64(given) < needed+5 {
		t.Errorf("%s: the pod has %d s to end, and needs %v and five more", name, given, needed)
	}
}

// drain is the time that a server may take to end, in seconds.
type drain struct {
	Delay float64 `json:"delay"`
	Idle  float64 `json:"idle"`
	Grace float64 `json:"grace"`
}

func (d drain) seconds() float64 { return d.Delay + d.Idle + d.Grace }

// effective is a part of the configuration that ekiben check prints.
type effective struct {
	Shutdown drain `json:"shutdown"`
	HTTP     struct {
		Port uint32 `json:"port"`
	} `json:"http"`
}

func inEffect(t *testing.T, check *exec.Cmd) effective {
	t.Helper()
	var printed struct {
		Config effective `json:"config"`
	}
	if out, err := check.CombinedOutput(); err != nil || json.Unmarshal(out, &printed) != nil {
		t.Fatalf("ekiben check: %v\n%s", err, out)
	}
	return printed.Config
}

// checkConfined checks the security settings of a pod's only container.
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

// checkProbes checks that each probe uses a port of the container.
func checkProbes(t *testing.T, name string, pod any, probes ...string) {
	t.Helper()
	container := at(pod, "containers", 0)
	for _, probe := range probes {
		for _, kind := range []string{"httpGet", "tcpSocket"} {
			if asked := at(container, probe, kind); asked != nil && portOf(container, at(asked, "port")) == 0 {
				t.Errorf("%s: the %s uses a port that the container lacks: %v", name, probe, asked)
			}
		}
		if at(container, probe, "httpGet") == nil && at(container, probe, "tcpSocket") == nil {
			t.Errorf("%s: no %s", name, probe)
		}
	}
}

// portOf returns the number of a container's port, by name or number; 0 if there is
// none.
func portOf(container, port any) int {
	list, _ := at(container, "ports").([]any)
	for _, p := range list {
		if n := whole(p, "containerPort"); port == at(p, "name") || port == n {
			return n
		}
	}
	return 0
}

// environ returns the variables of a pod's container.
func environ(pod any) map[string]any {
	variables := map[string]any{}
	list, _ := at(pod, "containers", 0, "env").([]any)
	for _, v := range list {
		variables[text(v, "name")] = at(v, "value")
	}
	return variables
}

// configOf returns the chart's configuration file.
func configOf(t *testing.T, rendered string) string {
	t.Helper()
	return text(objectOf(t, rendered, "ConfigMap", "bento-ekiben"), "data", "config.yaml")
}
