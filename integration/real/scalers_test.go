package real

import "testing"

// TestChartScalers checks that the scaler scales the Deployment within the configured
// limits, and that the Deployment then has no number of replicas.
func TestChartScalers(t *testing.T) {
	t.Parallel()
	set := []string{"autoscaling.min=3", "autoscaling.max=7", "autoscaling.prometheus=http://metrics:9090"}
	for by, want := range map[string]struct{ kind, least, most string }{
		"hpa":  {"HorizontalPodAutoscaler", "minReplicas", "maxReplicas"},
		"keda": {"ScaledObject", "minReplicaCount", "maxReplicaCount"},
	} {
		rendered := render(t, append(set, "autoscaling.by="+by)...)
		deployment := objectOf(t, rendered, "Deployment", "bento-ekiben")
		scaler := objectOf(t, rendered, want.kind, "bento-ekiben")
		if at(deployment, "spec", "replicas") != nil {
			t.Errorf("%s: the Deployment has its own number of pods", by)
		}
		if name := text(scaler, "spec", "scaleTargetRef", "name"); name != text(deployment, "metadata", "name") {
			t.Errorf("%s scales %q", by, name)
		}
		if least, most := whole(scaler, "spec", want.least), whole(scaler, "spec", want.most); least != 3 || most != 7 {
			t.Errorf("%s scales from %d to %d", by, least, most)
		}
		if by == "keda" && text(scaler, "spec", "triggers", 0, "metadata", "serverAddress") != "http://metrics:9090" {
			t.Errorf("KEDA asks %v", at(scaler, "spec", "triggers", 0, "metadata"))
		}
	}
	fixed := objectOf(t, render(t, "replicas=4"), "Deployment", "bento-ekiben")
	if n := whole(fixed, "spec", "replicas"); n != 4 {
		t.Errorf("without a scaler there are %d pods", n)
	}
	update := at(fixed, "spec", "strategy", "rollingUpdate")
	if at(update, "maxUnavailable") != 0 {
		t.Errorf("a rollout takes pods away before others are ready: %v", update)
	}
}
