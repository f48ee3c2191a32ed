package runtime_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/runtime"
)

// A call of another service of the process is a span below the request's, and
// the called function sees it.
func TestCallsAreSpans(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	front := newPipeline(func(ctx context.Context, in []string) ([]int, error) {
		_, span := provider.Tracer("model").Start(ctx, "model")
		defer span.End()
		if in[0] == "boom" {
			return nil, errors.New("no model")
		}
		return []int{len(in[0])}, nil
	})
	s := serve(t, front, runtime.WithTracerProvider(provider))
	for body, code := range map[string]codes.Code{`{"text":"four"}`: codes.Unset, `{"text":"boom"}`: codes.Error} {
		recorded.Reset()
		s.post("/count", body)
		eventually(t, "three spans", func() bool { return len(recorded.Ended()) == 3 })
		model, call, request := recorded.Ended()[0], recorded.Ended()[1], recorded.Ended()[2]
		if model.Name() != "model" || call.Name() != "Encoder/encode" || request.Name() != "POST /count" {
			t.Errorf("spans %q, %q, %q", model.Name(), call.Name(), request.Name())
		}
		if model.Parent().SpanID() != call.SpanContext().SpanID() || call.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("%s: the spans are not one below the other", body)
		}
		if got := call.Status().Code; got != code || (len(call.Events()) > 0) != (code == codes.Error) {
			t.Errorf("%s: status %v, events %v", body, got, call.Events())
		}
	}
}
