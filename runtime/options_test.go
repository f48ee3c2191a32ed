package runtime_test

import (
	"context"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// An option that could have no effect is an error, with what to do instead.
func TestOptionsWithoutEffect(t *testing.T) {
	svc := runtime.NewService("Plain")
	runtime.Handle(svc, "plain", func(context.Context, text) (string, error) { return "", nil },
		runtime.Items("texts"), runtime.SizeOf(func(string) int { return 1 }))
	_, err := runtime.New(svc, runtime.WithMeterProvider(sdkmetric.NewMeterProvider()), runtime.WithReader(sdkmetric.NewManualReader()))
	want := `service "Plain": API "plain": runtime.Items: it takes no batches; declare it with runtime.HandleBatch, or name the parameter in its input
service "Plain": API "plain": runtime.SizeOf: it takes no batches; declare it with runtime.HandleBatch`
	const both = "runtime.WithReader: together with runtime.WithMeterProvider its readers would read nothing; give them to that provider\n"
	if err == nil || err.Error() != both+want {
		t.Errorf("got\n%v\nwant\n%s", err, both+want)
	}
	if err := svc.Err(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A tracer provider that was given traces and samples as it was built, whatever
// the keys for our own say; what is no business of a provider's holds for it.
func TestTracerProviderIsGiven(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	s := serve(t, newEcho(), runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))), settings(func(c *config.Config) {
		c.Tracing.Enabled, c.Tracing.SampleRate, c.Tracing.ParentBased = false, 0, false
		c.Tracing.ExcludedURLs, c.Tracing.Propagators, c.Tracing.TrustIncoming = []config.Pattern{pattern("livez$")}, []string{"b3"}, true
	}))
	trace := strings.Repeat("0a", 16)
	s.do("GET", "/livez", "")
	s.do("POST", "/echo", "{}", "b3", trace+"-"+strings.Repeat("0b", 8)+"-0")
	s.do("POST", "/echo", "{}", "b3", trace+"-"+strings.Repeat("0b", 8)+"-1")
	s.do("POST", "/echo", "{}")
	eventually(t, "two spans", func() bool { return len(recorded.Ended()) == 2 }) // the provider follows the parent's decision
	if got := recorded.Ended()[0]; got.Name() != "POST /echo" || got.SpanContext().TraceID().String() != trace {
		t.Errorf("got %s in %s", got.Name(), got.SpanContext().TraceID())
	}
}
