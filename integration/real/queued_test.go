package real

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// queued starts services whose queues are never empty, as a job of their own. c and
// d have more clients than fit into their batches, and each client sends its next
// request as soon as it has a response. So the numbers of waiting requests and of
// requests in progress are known. d is another version and e another service. f
// is a /metrics that reports one more error each second, and a certificate.
func queued(t *testing.T) (config string, fill func() (stop func())) {
	t.Helper()
	c, d, e := freePort(t), freePort(t), freePort(t)
	f := erring(t)
	for job, labels := range map[string]string{"queued": "", "queued operator": ", endpoint: http, namespace: models, pod: queued-0"} {
		config += fmt.Sprintf("- job_name: %s\n  static_configs:\n", job)
		for instance, target := range map[string]string{"c": local(c), "d": local(d), "e": local(e), "f": f} {
			config += fmt.Sprintf("  - {targets: ['%s'], labels: {instance: %s%s}}\n", strings.TrimPrefix(target, "http://"), instance, labels)
		}
	}
	full := func(port int, args ...string) {
		startTwin(t, port, append(args, "--encode-max-batch=4", "otlp.enabled=true", "otlp.endpoint="+tee(t))...)
	}
	return config, func() func() {
		full(c, "traffic.max_concurrency=40", "otlp.interval=0.5")
		full(d, "traffic.max_concurrency=20", "otlp.interval=8", "app.version=2")
		full(e, "traffic.max_concurrency=10", "otlp.interval=0.5", "--app=two-services", "metrics.endpoints./encode.duration.buckets=0.005,0.05,0.1,0.25,0.5,1,2.5")
		texts, second := []string{`{"texts":["a","bb"]}`}, time.Second
		_, stop := load(t,
			clients{20, local(c) + "/encode", 0, texts}, // 2 in a batch of 10 ms, 18 wait
			clients{8, local(d) + "/encode", 0, texts},
			clients{3, local(c) + "/summarize", 0, []string{`{"text":"sleep:0.3"}`}},
			clients{1, local(d) + "/summarize", 0, []string{`{"text":"sleep:0.3"}`}},
			clients{1, local(c) + "/summarize", second / 5, []string{`{"text":"boom"}`}},
			clients{1, local(d) + "/summarize", second / 2, []string{`{"text":"boom"}`}},
			clients{1, local(d) + "/summarize", second / 2, []string{`{"text":4}`}}, // 400
			clients{1, local(e) + "/lengths", second * 7 / 100, []string{`{"text":"sleep:0.03"}`}},
			clients{1, local(d) + "/livez", second / 250, nil},
		)
		return stop
	}
}

// erring serves a /metrics whose count of errors grows by one each second, with a certificate that
// always ends after a day.
func erring(t *testing.T) string {
	t.Helper()
	since := time.Now()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintf(w, "# TYPE ekiben_scrape_errors_total counter\nekiben_scrape_errors_total %v\n", time.Since(since).Seconds())
		_, _ = fmt.Fprintf(w, "# TYPE ekiben_tls_certificate_not_after_seconds gauge\nekiben_tls_certificate_not_after_seconds %d\n", time.Now().Add(24*time.Hour).Unix())
	}))
	t.Cleanup(page.Close)
	return page.URL
}
