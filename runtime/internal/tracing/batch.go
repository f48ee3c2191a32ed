package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Batch runs a batch function in a span with a link to the span of each request in
// the batch. The span belongs to the trace of the first sampled request, so that it
// is kept if any of the requests is sampled.
func Batch[Out any](ctx context.Context, t *Tracing, api string, items int, run func(context.Context) ([]Out, error)) (_ []Out, err error) {
	if t == nil {
		return run(ctx)
	}
	requests := batcher.RequestContexts(ctx)
	var parent trace.SpanContext
	var links []trace.Link
	for _, request := range requests {
		span := trace.SpanContextFromContext(request)
		if !span.IsValid() {
			continue
		}
		links = append(links, trace.Link{SpanContext: span})
		if !parent.IsValid() || span.IsSampled() && !parent.IsSampled() {
			parent = span
		}
	}
	ctx, span := t.provider.Tracer(telemetry.Scope).Start(trace.ContextWithSpanContext(ctx, parent), "batch "+api, trace.WithLinks(links...),
		trace.WithAttributes(attribute.Int("ekiben.batch.items", items), attribute.Int("ekiben.batch.requests", len(requests))))
	returned := false
	defer func() {
		if failure := withoutSuccesses(err); failure != nil || !returned { // a panic or a Goexit leaves returned false
			span.SetStatus(codes.Error, "")
			span.RecordError(failure)
		}
		span.End()
	}()
	out, err := run(ctx)
	returned = true
	return out, err
}

// withoutSuccesses joins the errors of the items that failed. It returns nil if no
// item failed.
func withoutSuccesses(err error) error {
	var errs batcher.Errors
	if errors.As(err, &errs) {
		return errors.Join(errs...)
	}
	return err
}

// ExplainBatch adds to the span of a request how it was batched.
func ExplainBatch(ctx context.Context, t batcher.Timing) {
	if span := trace.SpanFromContext(ctx); t.Items > 0 && span.IsRecording() {
		span.SetAttributes(attribute.Float64("ekiben.batch.queue.duration", t.Queue.Seconds()),
			attribute.Int("ekiben.batch.items", t.Items), attribute.String("ekiben.batch.reason", t.Reason.String()))
	}
}
