package real

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// nativeConfig returns the configuration of a Prometheus 3 that scrapes native
// histograms beside the buckets.
func nativeConfig(port int) string {
	return fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: scraped
  scrape_native_histograms: true
  always_scrape_classic_histograms: true
  static_configs: [{targets: ['127.0.0.1:%d']}]
`, port)
}

// TestNative checks that Prometheus 3 reads native histograms: by scrape, beside the
// buckets, and by OTLP, instead of them. Their quantiles must be nearer to known
// latencies than the boundaries are.
func TestNative(t *testing.T) {
	port := freePort(t)
	prometheus := startPrometheus(t, "prometheus3", nativeConfig(port))
	base := local(port)
	startTwin(t, port, "metrics.duration.native=true", "otlp.enabled=true", "otlp.interval=0.5", "otlp.endpoint="+prometheus.url+"/api/v1/otlp")
	send(t, "POST", base+"/summarize", `{"text":"x"}`) // so that the series exist before the measurement
	eventually(t, "a scrape and a push", func() bool {
		return len(prometheus.ask(t, `histogram_count(bentoml_service_request_duration_seconds{endpoint="/summarize",http_response_code="200"})`)) == 2
	})
	const requests = 40
	var clients atomic.Int64 // the durations that the clients measured, in nanoseconds
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
			t.Errorf("%s: the median is %v, want about 0.15, nearer than the boundaries 0.1 and 0.25", job, got)
		}
		if got := value(`histogram_sum(` + series + `)`); got < requests*0.15 || got > time.Duration(clients.Load()).Seconds()+1 {
			t.Errorf("%s: the sum is %v seconds, want at least %d times 0.15, and at most the sum of the clients", job, got, requests)
		}
	}
	buckets := `bentoml_service_request_duration_seconds_bucket`
	if got := value(`histogram_quantile(0.5, rate(` + buckets + fmt.Sprintf(of, "scraped") + `[30s]))`); got < 0.1 || got > 0.25 {
		t.Errorf("the median of the buckets is %v", got)
	}
	if got := value(`count(` + buckets + fmt.Sprintf(of, "scraped") + `)`); got != 16 {
		t.Errorf("%v buckets scraped, want 16", got)
	}
	if got := value(`count(` + buckets + fmt.Sprintf(of, "Summarization") + `)`); got != -1 {
		t.Errorf("%v buckets pushed beside the native histogram", got)
	}
}
