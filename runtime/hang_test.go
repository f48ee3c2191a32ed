package runtime_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// While a batch function hangs, requests are refused at once, and the app is not ready.
func TestHangingBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		release := make(chan struct{})
		s := direct(t, newEncoder(batcher.Config{MaxLatency: time.Second}, release, settings(func(c *config.Config) { c.Traffic.Timeout = 5 * time.Second }),
			runtime.WithLogger(slog.New(slog.NewTextHandler(log, nil)))))
		s.post("/v1/encode", `{"texts":["a"]}`).want(t, 504, `{"error":"Not able to process the request in 5 seconds"}`)
		s.do("GET", "/readyz", "").want(t, 200, "\n") // the function may be slow
		check.Equal(t, s.samples("ekiben_batch_hanging"), "ekiben_batch_hanging{method_name=\"encode\"} 0.0\n")
		time.Sleep(6 * time.Second)
		check.Equal(t, s.samples("ekiben_batch_hanging"), "ekiben_batch_hanging{method_name=\"encode\"} 1.0\n") // before a request is refused
		began := time.Now()
		for range 2 {
			s.post("/v1/encode", `{"texts":["b"]}`).want(t, 503, `{"error":"The service is overloaded: its function does not return"}`)
		}
		s.post("/v1/encode", `{"texts":[]}`).want(t, 200, "[]") // which needs no function
		check.Equal(t, time.Since(began), 0)
		check.Equal(t, strings.Contains(log.String(), "has returned"), false)
		s.do("GET", "/readyz", "").want(t, 503, "service Encoder is not ready\n")
		s.do("GET", "/livez", "").want(t, 200, "\n")
		check.Equal(t, s.samples("ekiben_batch_refused_total", "hanging"), "ekiben_batch_refused_total{method_name=\"encode\",reason=\"hanging\"} 2.0\n")
		close(release)
		synctest.Wait()
		check.Equal(t, s.samples("ekiben_batch_hanging"), "ekiben_batch_hanging{method_name=\"encode\"} 0.0\n")
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		s.post("/v1/encode", `{"texts":["cc"]}`).want(t, 200, "[2]")
		for _, once := range []string{"the batch function hangs", "the batch function has returned", "the batch function of encode hangs"} {
			if strings.Count(log.String(), once) != 1 {
				t.Errorf("%q is not once in the log: %s", once, log.String())
			}
		}
	})
}
