package real

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestQuantile evaluates the query of BentoML's metrics document in a Prometheus
// with the scrape configuration of that document, but with a scrape each second.
// Requests take at least ten milliseconds. The times that the client measured give the
// bucket of the quantile.
func TestQuantile(t *testing.T) {
	port := freePort(t)
	config := fmt.Sprintf(`
global:
  scrape_interval: 1s
  evaluation_interval: 15s
scrape_configs:
- job_name: prometheus
  metrics_path: "/metrics"
  static_configs:
  - targets: ["127.0.0.1:%d"]
`, port)
	base := local(port)
	startTwin(t, port)
	servers := []server{startPrometheus(t, "prometheus2", config), startPrometheus(t, "prometheus3", config)}
	send(t, "POST", base+"/encode", `{"texts":["a"]}`)
	for _, s := range servers {
		eventually(t, s.name+": a scrape", func() bool {
			return len(s.ask(t, `bentoml_service_request_duration_seconds_count{endpoint="/encode"}`)) == 1
		})
	}
	var took []float64
	for range 200 {
		begun := time.Now()
		send(t, "POST", base+"/encode", `{"texts":["a","bb"]}`)
		took = append(took, time.Since(begun).Seconds())
	}
	slices.Sort(took)
	time.Sleep(2500 * time.Millisecond)
	low, high := bucketOf(0.010), bucketOf(took[len(took)*99/100]) // no request is faster than its function, or slower than its client saw
	for _, s := range servers {
		answer := vector(s.ask(t, `histogram_quantile(0.99, rate(bentoml_service_request_duration_seconds_bucket{endpoint="/encode"}[1m]))`), "instance", "job")
		const series = `{endpoint="/encode",http_response_code="200",runner_name="Summarization",service_name="Summarization",service_version="not available"}`
		got, there := answer[series]
		t.Logf("%s: %v; the client's 0.99 is %v", s.name, got, took[198])
		if !there || got < boundaries[low] || got > boundaries[high+1] {
			t.Errorf("%s: %v, want from %v to %v", s.name, answer, boundaries[low], boundaries[high+1])
		}
	}
}

// boundaries lists BentoML's boundaries, as far as a request can reach them.
var boundaries = []float64{0, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// bucketOf returns the index of the lower boundary of the bucket of v.
func bucketOf(v float64) int {
	at, _ := slices.BinarySearch(boundaries, v)
	return at - 1
}
