package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Neither a batch that never ends nor a collector that never responds keeps the
// rest from being sent. The batch is an error, the collector is none, and nothing
// of either runs on.
func TestShutdownSendsTheRest(t *testing.T) {
	before, release := goleak.IgnoreCurrent(), make(chan struct{})
	tests := map[string]struct {
		metrics string // where they go; "": to a collector
		path    string
		want    string
	}{
		"black hole":            {accepting(t, nil), "/echo", ""},
		"batch that never ends": {"", "/encode", "batches of /encode: batches still ran: context deadline exceeded"},
		"both":                  {accepting(t, nil), "/encode", "batches of /encode: batches still ran: context deadline exceeded"},
		"refused":               {"http://127.0.0.1:1", "/echo", ""},
	}
	t.Run("all", func(t *testing.T) { // returns when all have ended
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got, remote := shutDown(t, test.metrics, test.path, release)
				check.Equal(t, got, test.want)
				if spans := remote.spans(); len(spans) == 0 || test.metrics == "" && len(remote.metrics) == 0 {
					t.Errorf("sent spans %q and %d pushes", spans, len(remote.metrics))
				}
			})
		}
	})
	close(release)
	check.OK(t, goleak.Find(before))
}

// shutDown shuts an app down after a request, and returns the error of Shutdown.
func shutDown(t *testing.T, metrics, path string, release chan struct{}) (shutdownError string, remote *collector) {
	t.Helper()
	remote, url := collect(t, 0)
	app := newEcho(settings(func(c *config.Config) {
		c.OTLP.Metrics.Endpoint, c.OTLP.Traces.Endpoint, c.OTLP.Interval = url, url, time.Hour
		if metrics != "" {
			c.OTLP.Metrics.Endpoint = config.NewURL(metrics)
		}
		c.Tracing.Enabled, c.Tracing.SampleRate, c.Traffic.Timeout = true, 1, 100*time.Millisecond
	}))
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []int) ([]int, error) { <-release; return in, nil })
	h, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	call(h, http.MethodPost, path, `{"items":[1]}`)
	if err = app.Shutdown(t.Context()); err != nil {
		shutdownError = err.Error()
	}
	if again := app.Shutdown(t.Context()); !errors.Is(again, err) {
		t.Errorf("then %v, before %v", again, err)
	}
	return shutdownError, remote
}
