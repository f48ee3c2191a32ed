package real

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// tee serves an OTLP endpoint that forwards each request to all of to.
func tee(t *testing.T, to ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for _, base := range to {
			if strings.Contains(base, "/api/v1/") && r.URL.Path != "/v1/metrics" {
				continue // Prometheus takes no spans
			}
			req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, base+r.URL.Path, bytes.NewReader(body))
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			req.Header = r.Header.Clone()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode/100 != 2 {
				w.WriteHeader(res.StatusCode)
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// collectorAt is a Collector that receives OTLP, serves /metrics and writes spans to
// a file.
type collectorAt struct {
	otlp, metrics, file string
	restart             func() // kills it, and starts it again
}

func startCollector(t *testing.T) collectorAt {
	t.Helper()
	dir := t.TempDir()
	otlp, out := freePort(t), freePort(t)
	file := filepath.Join(dir, "spans.json")
	text := fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:%d", enable_open_metrics: false}
  file: {path: %q, flush_interval: 100ms}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
    traces: {receivers: [otlp], exporters: [file]}
`, otlp, out, file)
	config := configFile(t, text)
	begin := func() process { return start(t, local(out)+"/metrics", command(t, "collector", "--config", config)) }
	running := begin()
	return collectorAt{local(otlp), local(out) + "/metrics", file, func() {
		running.kill()
		running = begin()
	}}
}
