package real

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRestarts kills the service, the Collector and Prometheus in turn during steady
// traffic. The rates must always be those of the traffic. They may be lower while a
// part is down, but never higher, because a restart must not count as requests.
func TestRestarts(t *testing.T) {
	collector := startCollector(t)
	port := freePort(t)
	metrics := strings.TrimSuffix(strings.TrimPrefix(collector.metrics, "http://"), "/metrics")
	prometheus := startPrometheus(t, "prometheus3", fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
- {job_name: scraped, static_configs: [{targets: ['127.0.0.1:%d']}]}
- {job_name: collected, honor_labels: false, static_configs: [{targets: ['%s']}]}
`, port, metrics))
	base := local(port)
	twin := func() process {
		return startTwin(t, port, "otlp.enabled=true", "otlp.interval=0.5", "otlp.endpoint="+collector.otlp)
	}
	running := twin()
	begun := time.Now()
	answered, _ := load(t, clients{1, base + "/summarize", 50 * time.Millisecond, []string{`{"text":"x"}`}})
	for _, restart := range []func(){func() { running.kill(); running = twin() }, collector.restart, prometheus.restart, func() {}} {
		time.Sleep(8 * time.Second)
		restart()
	}
	took := time.Since(begun).Seconds()
	sent := float64(answered.Load()) / took
	const rate = `sum(rate(bentoml_service_request_total{job=%q,endpoint="/summarize"}[4s]))`
	for _, job := range []string{"scraped", "collected"} {
		least, most, sum, n := 1e9, 0.0, 0.0, 0
		for at := begun.Add(5 * time.Second); at.Before(time.Now().Add(-time.Second)); at = at.Add(250 * time.Millisecond) {
			for _, v := range vector(prometheus.askAt(t, fmt.Sprintf(rate, job), at)) {
				least, most, sum, n = min(least, v), max(most, v), sum+v, n+1
			}
		}
		const perSecond = 20 // at most, with a pause of 50 ms
		t.Logf("%s: %.1f/s were answered; rates from %.1f to %.1f, %.1f in the mean of %d", job, sent, least, most, sum/float64(n), n)
		if n < 80 || most > 2*perSecond || sum/float64(n) < 0.7*sent {
			t.Errorf("%s: rates are not those of the traffic", job)
		}
		end := fmt.Sprintf(rate, job)
		eventually(t, job+": the rate after all restarts", func() bool {
			for _, v := range vector(prometheus.ask(t, end)) {
				return v > 0.8*sent && v < 1.2*sent
			}
			return false
		})
	}
}

// TestCreated kills a service before its second scrape. Protobuf has the start time
// of each counter, so Prometheus must not lose the requests before the first scrape.
func TestCreated(t *testing.T) {
	port := freePort(t)
	prometheus := startPrometheus(t, "prometheus3", nativeConfig(port), "--enable-feature=created-timestamp-zero-ingestion")
	base := local(port)
	const series = `bentoml_service_request_total{endpoint="/encode",http_response_code="200"}`
	one := func(query string) float64 {
		for _, v := range vector(prometheus.ask(t, query)) {
			return v
		}
		return 0
	}
	for range 2 {
		running := startTwin(t, port, "metrics.duration.native=true")
		for range 10 {
			send(t, "POST", base+"/encode", `{"texts":["a"]}`)
		}
		sent := float64(time.Now().Unix())
		eventually(t, "a scrape", func() bool { return one(`timestamp(`+series+`)`) > sent })
		running.kill()
		time.Sleep(2 * time.Second) // a scrape fails, and marks the end of the series
	}
	for _, of := range []string{series, `bentoml_service_request_duration_seconds_count{endpoint="/encode",http_response_code="200"}`} {
		if got := one(`increase(` + of + `[5m])`); got < 19.5 || got > 28 { // it extrapolates
			t.Errorf("%s increased by %v, want at least the 10 requests before each kill", of, got)
		}
	}
}
