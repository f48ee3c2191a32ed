package runtime_test

import (
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
)

// batchSpans returns the spans of batches that have ended.
func batchSpans(recorded *tracetest.SpanRecorder) (spans []sdktrace.ReadOnlySpan) {
	for _, span := range recorded.Ended() {
		if span.Name() == "batch encode" {
			spans = append(spans, span)
		}
	}
	return spans
}

// The span of a batch is kept if one of its requests is, in that one's trace,
// and says how many requests it had, traced or not.
func TestBatchSpansAreKeptWithTheirRequests(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{}, release), runtime.WithTracerProvider(provider))
	const trace, sampled = "0af7651916cd43dd8448eb211c80319c", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var clients sync.WaitGroup
	post := func(header ...string) {
		clients.Go(func() { s.do("POST", "/v1/encode", `{"texts":["a"]}`, header...).want(t, 200, "[1]") })
	}
	post()
	eventually(t, "one that runs", func() bool { return inProgress(s) == 1 })
	post()
	eventually(t, "an unsampled one", func() bool { return inProgress(s) == 2 })
	post("traceparent", sampled)
	eventually(t, "all", func() bool {
		return s.samples("ekiben_batch_queue_items{") == "ekiben_batch_queue_items{method_name=\"encode\"} 2.0\n"
	})
	close(release)
	clients.Wait()
	eventually(t, "the batch's span", func() bool { return len(batchSpans(recorded)) == 1 })
	span := batchSpans(recorded)[0]
	requests := attribute.Int("ekiben.batch.requests", 2)
	if got := span.SpanContext().TraceID().String(); got != trace {
		t.Errorf("the batch is of trace %s, its sampled request of %s", got, trace)
	}
	if len(span.Links()) != 2 || span.Attributes()[1] != requests {
		t.Errorf("links %v, attributes %v", span.Links(), span.Attributes())
	}
}

func TestPanicsAreInTheBatchSpan(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	s := serve(t, newEncoder(batcher.Config{}, nil), runtime.WithTracerProvider(provider))
	s.post("/v1/encode", `{"texts":["panic"]}`).want(t, 500, masked)
	eventually(t, "the batch's span", func() bool { return len(batchSpans(recorded)) == 1 })
	if got := batchSpans(recorded)[0].Status().Code; got != codes.Error {
		t.Errorf("status %v", got)
	}
}
