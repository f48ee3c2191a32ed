package real

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// TestPageOfTwoReplicas has a balancer ask one and the other for metrics, which
// say whose they are. What one has counted more than the other is no request.
func TestPageOfTwoReplicas(t *testing.T) {
	var replicas [2]http.Handler
	var bases [2]string
	for i, name := range []string{"a", "b"} {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id="+name)
		bases[i] = served(t, shouter(), func(c *config.Config) { c.Metrics.Page.TargetInfo = true })
		replicas[i] = proxyTo(t, bases[i])
	}
	for range 200 {
		if status := send(t, http.MethodPost, bases[0]+"/shout", `{"text":"x"}`); status != http.StatusOK {
			t.Fatalf("it answers %d", status)
		}
	}
	var asked atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[asked.Add(1)%2].ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	b := browse(t, balancer.URL+"/")
	eventually(t, "readings", func() bool { return b.number(`past.all.filter(rate => rate !== null).length`) >= 4 })
	if most := b.number(`Math.max(...past.all)`); most != 0 {
		t.Errorf("nothing is asked, and the chart has %v requests a second", most)
	}
	_, stop := crowd(t, 2, 10*time.Millisecond, bases[1]+"/shout", `{"text":"x"}`)
	defer stop()
	eventually(t, "the busy one's requests", func() bool { return b.number(`Math.max(...past.all)`) > 5 })
}
