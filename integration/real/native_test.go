package real

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNative has Prometheus 3 read native histograms by scrape, beside the
// boundaries, and by OTLP, instead of them. Known latencies come out nearer than
// any boundary is.
func TestNative(t *testing.T) {
	port := freePort(t)
	prometheus := receiving(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: scraped
  scrape_native_histograms: true
  always_scrape_classic_histograms: true
  static_configs: [{targets: ['127.0.0.1:%d']}]
`, port))
	base := local(port)
	start(t, base+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(port), "--set", "metrics.duration.native=true", "--set", "logging.access.enabled=false",
		"--set", "otlp.enabled=true", "--set", "otlp.interval=0.5", "--set", "otlp.endpoint="+prometheus.url+"/api/v1/otlp")
	send(t, "POST", base+"/summarize", `{"text":"x"}`) // so that the series are there before they count
	eventually(t, "a scrape and a push", func() bool {
		return len(prometheus.ask(t, `histogram_count(bentoml_service_request_duration_seconds{endpoint="/summarize",http_response_code="200"})`)) == 2
	})
	const requests = 40
	var clients atomic.Int64 // what the requests took by the clients' clocks, in nanoseconds
	for range requests / 4 {
		var at sync.WaitGroup
		for range 4 {
			at.Go(func() {
				begun := time.Now()
				send(t, "POST", base+"/summarize", `{"text":"sleep:0.15"}`)
				clients.Add(int64(time.Since(begun)))
			})
		}
		at.Wait()
		time.Sleep(100 * time.Millisecond)
	}
	const of = `{job=%q,endpoint="/summarize",http_response_code="200"}`
	value := func(query string) float64 {
		for _, v := range vector(prometheus.ask(t, query)) {
			return v
		}
		return -1
	}
	for _, job := range []string{"scraped", "Summarization"} {
		series := `bentoml_service_request_duration_seconds` + fmt.Sprintf(of, job)
		eventually(t, job+": all requests", func() bool { return value(`histogram_count(`+series+`)`) == requests+1 })
		if got := value(`histogram_quantile(0.5, rate(` + series + `[30s]))`); got < 0.149 || got > 0.24 {
			t.Errorf("%s: the median is %v, want 0.15 and what a request costs, nearer than the boundaries 0.1 and 0.25", job, got)
		}
		if got := value(`histogram_sum(` + series + `)`); got < requests*0.15 || got > time.Duration(clients.Load()).Seconds()+1 {
			t.Errorf("%s: %v seconds, want at least %d times 0.15, and no more than clients saw", job, got, requests)
		}
	}
	buckets := `bentoml_service_request_duration_seconds_bucket`
	if got := value(`histogram_quantile(0.5, rate(` + buckets + fmt.Sprintf(of, "scraped") + `[30s]))`); got < 0.1 || got > 0.25 {
		t.Errorf("by the boundaries the median is %v", got)
	}
	if got := value(`count(` + buckets + fmt.Sprintf(of, "scraped") + `)`); got != 16 {
		t.Errorf("%v buckets scraped, want 16", got)
	}
	if got := value(`count(` + buckets + fmt.Sprintf(of, "Summarization") + `)`); got != -1 {
		t.Errorf("%v buckets pushed beside the native histogram", got)
	}
}
