package real

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// queued are services whose queues are never empty, as a job of their own: c and
// d are asked by more clients than their batches have room for, each of which
// asks again as soon as it is answered, so that what waits and what is in
// progress is known at each moment. d is another version, e another service, and
// f a page that says each second of one more error.
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
	twin := func(port int, flags ...string) {
		command := []string{need(t, "twin"), "--port", strconv.Itoa(port), "--encode-max-batch", "4", "--set", "logging.access.enabled=false"}
		start(t, local(port)+"/readyz", nil, append(command, flags...)...)
	}
	return config, func() func() {
		twin(c, "--set", "traffic.max_concurrency=40", "--set", "otlp.enabled=true", "--set", "otlp.interval=0.5", "--set", "otlp.endpoint="+tee(t))
		twin(d, "--set", "traffic.max_concurrency=20", "--set", "app.version=2", "--set", "otlp.enabled=true", "--set", "otlp.interval=8", "--set", "otlp.endpoint="+tee(t))
		twin(e, "--app", "two-services", "--set", "traffic.max_concurrency=10", "--set", "metrics.endpoints./encode.duration.buckets=0.005,0.05,0.1,0.25,0.5,1,2.5", "--set", "otlp.enabled=true", "--set", "otlp.interval=0.5", "--set", "otlp.endpoint="+tee(t))
		return endless(t, map[call]int{
			{local(c) + "/encode", `{"texts":["a","bb"]}`, 0}:                       20, // 2 in a batch of 10 ms, 18 wait
			{local(d) + "/encode", `{"texts":["a","bb"]}`, 0}:                       8,
			{local(c) + "/summarize", `{"text":"sleep:0.3"}`, 0}:                    3,
			{local(d) + "/summarize", `{"text":"sleep:0.3"}`, 0}:                    1,
			{local(c) + "/summarize", `{"text":"boom"}`, 200 * time.Millisecond}:    1,
			{local(d) + "/summarize", `{"text":"boom"}`, 500 * time.Millisecond}:    1,
			{local(d) + "/summarize", `{"text":4}`, 500 * time.Millisecond}:         1, // 400
			{local(e) + "/lengths", `{"text":"sleep:0.03"}`, 70 * time.Millisecond}: 1,
			{local(d) + "/livez", "", 4 * time.Millisecond}:                         1,
		})
	}
}

// call is what a client asks for, and how long it waits before it asks again.
type call struct {
	url, body string
	pause     time.Duration
}

// endless has this many clients of each call ask until they are stopped.
func endless(t *testing.T, clients map[call]int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	var asking sync.WaitGroup
	for c, n := range clients {
		method := http.MethodPost
		if c.body == "" {
			method = http.MethodGet
		}
		for range n {
			asking.Go(func() {
				for ctx.Err() == nil {
					c.ask(client, method)
					time.Sleep(c.pause)
				}
			})
		}
	}
	return func() { cancel(); asking.Wait(); client.CloseIdleConnections() }
}

// ask does without a context: what was begun is answered.
func (c call) ask(client *http.Client, method string) {
	req, err := http.NewRequestWithContext(context.Background(), method, c.url, strings.NewReader(c.body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// erring serves a page with one error more each second: no twin errs so.
func erring(t *testing.T) string {
	t.Helper()
	since := time.Now()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintf(w, "# TYPE ekiben_scrape_errors_total counter\nekiben_scrape_errors_total %v\n", time.Since(since).Seconds())
	}))
	t.Cleanup(page.Close)
	return page.URL
}
