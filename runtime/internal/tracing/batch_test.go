package tracing

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// batched runs one batch with an item of each request, and returns its span.
func batched(t *testing.T, tr *Tracing, recorded *tracetest.SpanRecorder, requests []context.Context, run func() error) (span string, parent trace.TraceID) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := check.Value(batcher.New(func(ctx context.Context, items []int) ([]int, error) {
			if items[0] < 0 {
				<-release
				return items, nil
			}
			return Batch(ctx, tr, "encode", len(items), func(context.Context) ([]int, error) { return items, run() })
		}, batcher.Config{FailurePolicy: batcher.FailurePolicyFail}))(t)
		go func() { _, _ = b.Do(t.Context(), []int{-1}) }() // makes the other calls wait
		synctest.Wait()
		for i, ctx := range requests {
			go func() { _, _ = b.Do(ctx, []int{i}) }()
			synctest.Wait()
		}
		close(release)
		synctest.Wait()
		check.OK(t, b.Close(t.Context()))
	})
	for _, s := range recorded.Ended() {
		if s.Name() == "batch encode" {
			span += fmt.Sprintf("%s, %d links, %d events, %v", s.Status().Code, len(s.Links()), len(s.Events()), s.Attributes())
			parent = s.SpanContext().TraceID()
		}
	}
	return span, parent
}

// The span of a batch has a link to each traced request, belongs to the trace of the
// first sampled one, and has the error of the batch.
func TestBatch(t *testing.T) {
	tr, recorded := record(config.Tracing{SampleRate: 0, ParentBased: true, TrustIncoming: true, Propagators: []string{"tracecontext"}})
	requests := []context.Context{
		tr.request("/encode", post(), 200),
		context.Background(), // not traced
		tr.request("/encode", post(), 200, "traceparent", sampled),
	}
	const attributes = `, [{"ekiben.batch.items":3} {"ekiben.batch.requests":3}]`
	for name, c := range map[string]struct {
		run  func() error
		want string
	}{
		"success":     {func() error { return nil }, "Unset, 2 links, 0 events" + attributes},
		"error":       {func() error { return errors.New("no model") }, "Error, 2 links, 1 events" + attributes},
		"item errors": {func() error { return batcher.Errors{nil, errors.New("too long"), nil} }, "Error, 2 links, 1 events" + attributes},
		"no item":     {func() error { return batcher.Errors{nil, nil, nil} }, "Unset, 2 links, 0 events" + attributes},
		"panic":       {func() error { panic("boom") }, "Error, 2 links, 0 events" + attributes},
		"goexit":      {func() error { runtime.Goexit(); return nil }, "Error, 2 links, 0 events" + attributes},
	} {
		recorded.Reset()
		if got, id := batched(t, tr, recorded, requests, c.run); got != c.want || id.String() != callersTrace {
			t.Errorf("%s: got %s of trace %s\nwant %s", name, got, id, c.want)
		}
	}
	recorded.Reset()
	if got, _ := batched(t, tr, recorded, requests[:2], func() error { return nil }); got != "" {
		t.Errorf("without a sampled request: got %s", got)
	}
	if out, err := Batch(t.Context(), nil, "encode", 1, func(context.Context) (out []int, err error) { return []int{7}, nil }); err != nil || out[0] != 7 {
		t.Errorf("without tracing: %v, %v", out, err)
	}
}

// The span of a request says how it was batched.
func TestExplainBatch(t *testing.T) {
	tr, recorded := record(config.Tracing{SampleRate: 1})
	for _, c := range []struct {
		timing batcher.Timing
		want   string
	}{
		{batcher.Timing{}, "[]"},
		{batcher.Timing{Queue: 250 * time.Millisecond, Items: 3, Reason: batcher.ReasonFull}, `[{"ekiben.batch.queue.duration":0.25} {"ekiben.batch.items":3} {"ekiben.batch.reason":"full"}]`},
	} {
		recorded.Reset()
		ctx, span := tr.provider.Tracer("test").Start(t.Context(), "request")
		ExplainBatch(ctx, c.timing)
		span.End()
		check.Equal(t, fmt.Sprint(recorded.Ended()[0].Attributes()), c.want)
	}
	ExplainBatch(t.Context(), batcher.Timing{Items: 1}) // without a span
}
