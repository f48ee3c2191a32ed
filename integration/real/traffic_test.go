package real

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// observed starts the services whose metrics are known. The twin a has steady
// traffic. The twin b has none, a Collector that is down and a file with errors. A
// real BentoML gets the traffic that it supports. Other twins have full queues, or stream. A
// Prometheus with our rules scrapes a and b three times: without labels, again as a
// second job, and with the labels of an operator.
func observed(t *testing.T) (s server, stop func()) {
	t.Helper()
	rules := check.Value(filepath.Abs(filepath.Join(deploy, "prometheus", "rules.yml")))(t)
	a, b, bento := freePort(t), freePort(t), freePort(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n", rules)
	for job, labels := range map[string]string{"plain": "", "again": "", "operator": ", endpoint: http, namespace: models, pod: bento-0"} {
		config += fmt.Sprintf("- job_name: %s\n  static_configs:\n  - {targets: ['127.0.0.1:%d'], labels: {instance: a%s}}\n  - {targets: ['127.0.0.1:%d'], labels: {instance: b%[3]s}}\n", job, a, labels, b)
	}
	config += fmt.Sprintf("- {job_name: bentoml, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: bento}}]}\n", bento)
	config += fmt.Sprintf("- {job_name: quiet, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: q}}]}\n", b)
	queues, fill := queued(t)
	streams, stream := streaming(t)
	stored, submit := tasked(t)
	config += queues + streams + stored
	s = startPrometheus(t, "prometheus3", config, "--enable-feature=exemplar-storage")
	startBentoML(t, bento)
	startTwin(t, a, "traffic.max_concurrency=40", "traffic.timeout=1", "batching.max_queue=4", "batching.policy=idle",
		"tracing.enabled=true", "tracing.sample_rate=1", "otlp.enabled=true", "otlp.interval=0.5", "otlp.endpoint="+tee(t))
	file := configFile(t, "traffic: {timeout: 2}\n")
	// The timeout leaves no time for a retry, so each push fails at once.
	startTwin(t, b, "--config="+file, "otlp.enabled=true", "otlp.interval=0.5", "otlp.timeout=0.4", "otlp.endpoint="+local(freePort(t)))
	check.Must(t, os.WriteFile(file, []byte("traffic: {timeout: soon}\n"), 0o600))
	send(t, http.MethodPost, local(b)+"/v1/score", `{"xs":[1]}`)
	return s, inTurn(busy(t, local(a), local(bento)), fill(), stream(), submit())
}

func inTurn(stop ...func()) func() {
	return func() {
		for _, f := range stop {
			f()
		}
	}
}

// busy sends requests at fixed times, without waiting for responses, until stop is
// called.
func busy(t *testing.T, a, bento string) (stop func()) {
	t.Helper()
	var sending sync.WaitGroup
	done := make(chan struct{})
	every := func(pause, patience time.Duration, method, path, body string, to ...string) {
		sending.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					for _, base := range to {
						sending.Go(func() {
							ctx, cancel := context.WithTimeout(context.Background(), patience)
							defer cancel()
							_, _ = request(ctx, method, base+path, body)
						})
					}
				}
			}
		})
	}
	const patient, second = time.Minute, time.Second
	every(second/10, patient, http.MethodPost, "/encode", `{"texts":["a","bb"]}`, a, bento)  // 10 ms each
	every(second/2, patient, http.MethodPost, "/v1/score", `{"xs":[1]}`, a, bento)           // at once
	every(second/2, patient, http.MethodPost, "/summarize", `{"text":"boom"}`, bento)        // 500
	every(second, patient, http.MethodPost, "/summarize", `{"text":"sleep:0.3"}`, bento)     // one at a time
	every(second/4, patient, http.MethodPost, "/summarize", `{"text":"boom"}`, a)            // 500
	every(second/8, patient, http.MethodPost, "/summarize", `{"text":"sleep:0.3"}`, a)       // 2.4 in progress
	every(second/2, patient, http.MethodPost, "/summarize", `{"text":"sleep:2.5"}`, a)       // 504 after 1 s, 3 run on
	every(second/2, second/10, http.MethodPost, "/summarize", `{"text":"sleep:0.3"}`, a)     // hangs up
	every(second, patient, http.MethodPost, "/encode", `{"texts":["a","bb"]}`, twenty(a)...) // at once: the queue refuses most
	every(second/20, patient, http.MethodGet, "/livez", "", a, bento)
	every(second/5, patient, http.MethodGet, "/docs.json", "", a, bento)
	return func() { close(done); sending.Wait() }
}

func twenty(base string) []string { return slices.Repeat([]string{base}, 20) }
