package real

import (
	"fmt"
	"strings"
	"testing"
)

// TestChartMemory checks that GOMEMLIMIT is nine tenths of the memory limit, in every
// notation of Kubernetes. Without a limit the kubelet fills it in.
func TestChartMemory(t *testing.T) {
	t.Parallel()
	for memory, want := range map[string]any{
		`"512Mi"`:               "483183820",
		`"1.5Gi"`:               "1449551462",
		`"64Ki"`:                "58982",
		`"2Ti"`:                 "1979120929996",
		`"1000000Ti"`:           "989560464998400000",
		`"2097152Ki"`:           "1932735283",
		`"500M"`:                "450000000",
		`"1G"`:                  "900000000",
		`"1.G"`:                 "900000000",
		`".5Gi"`:                "483183820",
		`"1P"`:                  "900000000000000",
		`"1Pi"`:                 "1013309916158361",
		`"1E"`:                  "900000000000000000",
		`"1Ei"`:                 "1037629354146162278",
		`"+1Gi"`:                "966367641",
		`"5e8"`:                 "450000000",
		`"+5E+08"`:              "450000000",
		`"512000000000m"`:       "460800000",
		`"536870912"`:           "483183820",
		`536870912`:             "483183820",
		`5.36870912e8`:          "483183820",
		`1234567890123`:         "1111111101110",
		`"9223372036854774784"`: "8301034833169297305",
		`null`:                  "limits.memory",
		`"0"`:                   "limits.memory",
		`0`:                     "limits.memory",
	} {
		if got := goMemory(t, "--set-json=resources.limits.memory="+memory); got != want {
			t.Errorf("%s: GOMEMLIMIT is %v, want %v", memory, got, want)
		}
	}
	for set, want := range map[string]any{
		`resources=null`:        "limits.memory",
		`resources.limits=null`: "limits.memory",
		`env=[{"name":"GOMEMLIMIT","value":"1GiB"},{"name":"GOGC","value":"50"}]`: "1GiB",
	} {
		if got := goMemory(t, "--set-json="+set); got != want {
			t.Errorf("%s: GOMEMLIMIT is %v, want %v", set, got, want)
		}
	}
}

// TestChartRefusesMemory checks that the chart refuses memory limits that Kubernetes
// or Go would refuse.
func TestChartRefusesMemory(t *testing.T) {
	t.Parallel()
	for _, memory := range []string{`"8Ei"`, `"99999999999999999999"`, `"5e100"`, `"1K"`, `"1GiB"`, `"1e"`, `"5e8Gi"`, `"-1Gi"`, `"1.2.3"`, `true`} {
		want := "resources.limits.memory: must be an amount below 8Ei as Kubernetes writes it, such as 512Mi, found " + memory
		if out, err := template(t, "--set-json=resources.limits.memory="+memory); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s, want %q", memory, err, out, want)
		}
	}
}

// goMemory returns GOMEMLIMIT of the service's pod, or the resource from which the
// kubelet sets it, or nil. If the pod has it twice, it returns both as a string.
func goMemory(t *testing.T, set string) any {
	t.Helper()
	list, _ := at(objectOf(t, render(t, set), "Deployment", "bento-ekiben"), "spec", "template", "spec", "containers", 0, "env").([]any)
	var found []any
	for _, v := range list {
		if at(v, "name") != "GOMEMLIMIT" {
			continue
		}
		if from := at(v, "valueFrom", "resourceFieldRef", "resource"); from != nil {
			found = append(found, from)
		} else {
			found = append(found, at(v, "value"))
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return found[0]
	}
	return fmt.Sprint(found)
}
