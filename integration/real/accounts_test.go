package real

import "testing"

// TestChartAccount checks the ServiceAccount of the service's pods, and that no pod
// mounts its token.
func TestChartAccount(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]struct{ account, created, role any }{
		"serviceAccount.create=false":                                    {},
		"serviceAccount.name=theirs":                                     {account: "theirs"},
		"serviceAccount.create=true":                                     {account: "bento-ekiben", created: "bento-ekiben"},
		"serviceAccount.create=true,serviceAccount.name=reader":          {account: "reader", created: "reader"},
		"serviceAccount.create=true,serviceAccount.annotations.role=arn": {account: "bento-ekiben", created: "bento-ekiben", role: "arn"},
	} {
		var created, role any
		rendered := render(t, set)
		pod := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec")
		for _, o := range objects(t, rendered) {
			if o["kind"] != "ServiceAccount" {
				continue
			}
			created, role = at(o, "metadata", "name"), at(o, "metadata", "annotations", "role")
			if o["automountServiceAccountToken"] != false {
				t.Errorf("%s: the account mounts its token", set)
			}
		}
		if got := at(pod, "serviceAccountName"); created != want.created || got != want.account || role != want.role {
			t.Errorf("%s: runs as %v, and creates %v with the role %v, want %v", set, got, created, role, want)
		}
		if at(pod, "automountServiceAccountToken") != false {
			t.Errorf("%s: the pod mounts a token", set)
		}
	}
}
