package runtime_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// An option without effect is an error that says what to do instead.
func TestOptionsWithoutEffect(t *testing.T) {
	app := newEcho(runtime.WithMeterProvider(sdkmetric.NewMeterProvider()), runtime.WithReaders(sdkmetric.NewManualReader()))
	want := "runtime.WithReaders: has no effect with runtime.WithMeterProvider; give the readers to that provider"
	check.Error(t, app.Check(), want)
}

// Nobody changes the configuration of an app from outside.
func TestConfigurationIsCopied(t *testing.T) {
	given := config.Default()
	app := newEcho(runtime.WithConfig(given))
	given.Logging.AccessLog.SkipPaths[0], app.Config().Logging.AccessLog.SkipPaths[1] = "/given", "/got"
	check.Equal(t, app.Config().Logging.AccessLog.SkipPaths, config.Default().Logging.AccessLog.SkipPaths)
}

// Nil options mean the default.
func TestNilOptions(t *testing.T) {
	s := direct(t, newEcho(runtime.WithMeterProvider(nil), runtime.WithTracerProvider(nil), runtime.WithReaders()))
	s.post("/echo", "{}").want(t, 200, "HELLO")
	if got := s.samples("request_total", `"/echo"`, `"200"`); !strings.HasSuffix(got, " 1.0\n") {
		t.Error(got)
	}
}

// With WithTracerProvider, the sampler and exporters of that provider apply, not the
// keys for the app's own provider. The keys about requests still apply.
func TestTracerProviderIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorded := tracetest.NewSpanRecorder()
		s := direct(t, newEcho(runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))), settings(func(c *config.Config) {
			c.Tracing.Enabled, c.Tracing.SampleRate, c.Tracing.ParentBased = false, 0, false
			c.Tracing.ExcludedURLs, c.Tracing.Propagators, c.Tracing.TrustIncoming = []config.Pattern{pattern("livez$")}, []string{"b3"}, true
		})))
		trace := strings.Repeat("0a", 16)
		s.do("GET", "/livez", "")
		s.do("POST", "/echo", "{}", "b3", trace+"-"+strings.Repeat("0b", 8)+"-0")
		s.do("POST", "/echo", "{}", "b3", trace+"-"+strings.Repeat("0b", 8)+"-1")
		s.do("POST", "/echo", "{}")
		synctest.Wait()
		spans := recorded.Ended()
		if len(spans) != 2 || spans[0].Name() != "POST /echo" || spans[0].SpanContext().TraceID().String() != trace { // the provider follows the parent's decision
			t.Errorf("got %d spans: %v", len(spans), spans)
		}
	})
}

// A reader may collect while the app is made.
func TestCollectingWhileItIsMade(t *testing.T) {
	for range 20 {
		reader := sdkmetric.NewManualReader()
		made := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			for {
				var data metricdata.ResourceMetrics
				_ = reader.Collect(context.Background(), &data)
				select {
				case <-made:
					return
				default:
				}
			}
		})
		app := newEcho(runtime.WithReaders(reader))
		_, err := app.Handler()
		close(made)
		wait.Wait()
		if err != nil {
			t.Fatal(err)
		}
		check.OK(t, app.Shutdown(context.Background()))
	}
}
