package runtime_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// hole accepts connections and says nothing.
func hole(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

// after is a request, and then a shutdown, which must be over in time.
func after(t *testing.T, rt *runtime.Runtime, path, body string, limit time.Duration) error {
	t.Helper()
	rt.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader(body)))
	at := time.Now()
	err := rt.Shutdown(context.Background())
	if took := time.Since(at); took > limit {
		t.Errorf("it took %s", took)
	}
	return err
}

// A collector at fault holds up the end of a process for its two seconds, is no
// error of the end, and leaves nothing behind that runs: no export, no retry
// that waits, no connection of gRPC's.
func TestShutdownWithACollectorAtFault(t *testing.T) {
	unavailable := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(unavailable.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	faults := map[string]string{"black hole": hole(t), "refused": closed.URL, "unavailable": unavailable.URL}
	before := goleak.IgnoreCurrent()
	var all sync.WaitGroup // t.Parallel would run as many as there are processors, for two seconds each
	for fault, url := range faults {
		for _, protocol := range []string{"http/protobuf", "grpc"} {
			for _, signal := range []string{"metrics", "traces"} {
				all.Go(func() {
					t.Run(fault+", "+protocol+", "+signal, func(t *testing.T) { shutdownAtFault(t, url, protocol, signal) })
				})
			}
		}
	}
	all.Wait()
	unavailable.Close() // and with it the connection that net/http keeps for the next push
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

func shutdownAtFault(t *testing.T, url, protocol, signal string) {
	t.Helper()
	rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
		c.OTLP.Protocol = protocol
		if c.OTLP.Metrics.Endpoint = config.NewURL(url); signal == "traces" {
			c.OTLP.Traces.Endpoint, c.OTLP.Metrics.Endpoint = c.OTLP.Metrics.Endpoint, config.URL{}
		}
		c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := after(t, rt, "/echo", `{"text":"x"}`, 4*time.Second); err != nil {
		t.Error(err)
	}
}

// Neither a batch that never ends nor a collector that never answers takes the
// time of what else is to be sent.
func TestWhatElseIsFlushed(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	stuck := runtime.NewService("Stuck")
	runtime.HandleBatch(stuck, "encode", func(_ context.Context, in []int) ([]int, error) { <-release; return in, nil }, batcher.Config{})
	for name, test := range map[string]struct {
		svc        *runtime.Service
		path, body string
		metrics    string
		want       string
	}{
		"metrics into a black hole": {newEcho(), "/echo", `{"text":"x"}`, hole(t), ""},
		"a batch that never ends":   {stuck, "/encode", `{"items":[1]}`, "", "batches of /encode: "},
	} {
		t.Run(name, func(t *testing.T) {
			var kept spans
			var pushed points
			traces, metrics := httptest.NewServer(&kept), httptest.NewServer(&pushed)
			defer traces.Close()
			defer metrics.Close()
			rt, err := runtime.New(test.svc, runtime.WithLogger(quiet()), settings(func(c *config.Config) {
				c.OTLP.Metrics.Endpoint, c.OTLP.Traces.Endpoint = config.NewURL(metrics.URL), config.NewURL(traces.URL)
				if test.metrics != "" {
					c.OTLP.Metrics.Endpoint = config.NewURL(test.metrics)
				}
				c.Tracing.Enabled, c.Tracing.SampleRate, c.Traffic.Timeout = true, 1, 100*time.Millisecond
			}))
			if err != nil {
				t.Fatal(err)
			}
			err = after(t, rt, test.path, test.body, 8*time.Second)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(kept.got) == 0 || test.metrics == "" && len(pushed.series) == 0 {
				t.Errorf("%d spans and %d series were sent", len(kept.got), len(pushed.series))
			}
			if again := rt.Shutdown(context.Background()); again != err {
				t.Errorf("once more: %v", again)
			}
		})
	}
}

// A callback of a service's own metric that hangs does not keep a process alive.
func TestShutdownWithACallbackThatHangs(t *testing.T) {
	svc, release := newEcho(), make(chan struct{})
	entered := make(chan struct{}, 100)
	_, err := svc.Meter().Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		entered <- struct{}{}
		<-release
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	rt, err := runtime.New(svc, runtime.WithLogger(quiet()), settings(func(c *config.Config) {
		c.OTLP.Metrics.Endpoint, c.OTLP.Interval = config.NewURL(hole(t)), time.Millisecond
	}))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	_ = after(t, rt, "/echo", `{"text":"x"}`, 8*time.Second)
	close(release)
}

// A check finds what New would, and sends nothing.
func TestCheckSendsNothing(t *testing.T) {
	pushes := 0
	remote := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pushes++ }))
	defer remote.Close()
	change := func(c *config.Config) {
		c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval = true, config.NewURL(remote.URL), time.Millisecond
		c.Tracing.Enabled = true
	}
	if err := runtime.Check(newEcho(), runtime.WithLogger(quiet()), settings(change)); err != nil || pushes > 0 {
		t.Errorf("got %v, %d pushes", err, pushes)
	}
	err := runtime.Check(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
		change(c)
		c.OTLP.TLS.CA = "nowhere.pem"
	}))
	if err == nil || !strings.Contains(err.Error(), "otlp.tls.ca: ") || pushes > 0 {
		t.Errorf("got %v, %d pushes", err, pushes)
	}
}
