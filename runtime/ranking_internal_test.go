package runtime

import (
	"net/http"
	"strings"
	"testing"
)

// Long names of tenants take no memory in the queues, and stay apart.
func TestLongTenants(t *testing.T) {
	r := ranking{tenant: "X-Tenant"}
	tenant := func(name string) string {
		header := http.Header{"X-Tenant": {name}}
		if r.of(header).Tenant != r.turn(header).Tenant {
			t.Error("the queues have different tenants")
		}
		return r.of(header).Tenant
	}
	if name := strings.Repeat("x", longestTenant); tenant(name) != name {
		t.Errorf("%q is changed", name)
	}
	long := strings.Repeat("x", 64<<10)
	if got := tenant(long + "a"); len(got) > longestTenant || got == tenant(long+"b") || got != tenant(long+"a") {
		t.Errorf("got %d bytes", len(got))
	}
}
