package real

import (
	"fmt"
	"testing"
)

// TestChartMemory gives Go nine tenths of the container's memory, in whichever way
// Kubernetes has it written, and no limit where the container has none.
func TestChartMemory(t *testing.T) {
	for memory, want := range map[string]any{
		`"512Mi"`:                "483183820",
		`"1.5Gi"`:                "1449551462",
		`"64Ki"`:                 "58982",
		`"2Ti"`:                  "1979120929996",
		`"100000Ti"`:             "98956046499840000",
		`"2097152Ki"`:            "1932735283",
		`"1000000Ti"`:            "limits.memory",
		`"99999999999999999999"`: "limits.memory",
		`"500M"`:                 "450000000",
		`"1G"`:                   "900000000",
		`"1.G"`:                  "900000000",
		`".5Gi"`:                 "483183820",
		`"536870912"`:            "483183820",
		`536870912`:              "483183820",
		`5.36870912e8`:           "483183820",
		`1234567890123`:          "1111111101110",
		`"5e8"`:                  "limits.memory",
		`"1Ei"`:                  "limits.memory",
		`"512000000000m"`:        "limits.memory",
		`null`:                   nil,
		`"0"`:                    nil,
		`0`:                      nil,
	} {
		if got := goMemory(t, "--set-json=resources.limits.memory="+memory); got != want {
			t.Errorf("%s: GOMEMLIMIT is %v, want %v", memory, got, want)
		}
	}
	for set, want := range map[string]any{
		`resources=null`:        nil,
		`resources.limits=null`: nil,
		`env=[{"name":"GOMEMLIMIT","value":"1GiB"},{"name":"GOGC","value":"50"}]`: "1GiB",
	} {
		if got := goMemory(t, "--set-json="+set); got != want {
			t.Errorf("%s: GOMEMLIMIT is %v, want %v", set, got, want)
		}
	}
}

// goMemory is GOMEMLIMIT of the service's pod, or what the kubelet fills it in
// from, or nil; given twice, it is no one of them.
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
