package telemetry

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/batcher"
)

// batchInstruments has the instruments for the batchable APIs of an app, except
// BentoML's adaptive_batch_size: each service has its own, with its own boundaries.
type batchInstruments struct {
	items                             metric.Int64Histogram
	queueTime, compute, misprediction metric.Float64Histogram
	batches, refused, abandoned       metric.Int64Counter
}

// Batch records the batches of one API. A nil Batch records nothing.
type Batch struct {
	*batchInstruments
	requests metric.Int64Histogram // BentoML's adaptive_batch_size
	labels   []attribute.KeyValue  // runner_name, service_name, service_version, method_name
	queued   func() (requests, items int)
	hanging  func() bool
	depth    metric.ObserveOption
	own      []metric.RecordOption
	took     map[bool][]metric.RecordOption // by whether the batch took longer than predicted
	add      []metric.AddOption
	reasons  map[batcher.Reason][]metric.AddOption
	refusals map[batcher.Refusal][]metric.AddOption

	mu      sync.Mutex
	workers [][]metric.RecordOption // by index
}

// seconds are boundaries from 10 µs to a minute, in steps of about 2.5.
var seconds = metric.WithExplicitBucketBoundaries(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)

func newBatchInstruments(meter metric.Meter) (*batchInstruments, error) {
	var b batchInstruments
	var errs [7]error
	b.items, errs[0] = meter.Int64Histogram("ekiben.batch.items", metric.WithUnit("{item}"), metric.WithDescription("Items in a batch"),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024))
	b.queueTime, errs[1] = meter.Float64Histogram("ekiben.batch.queue.duration", metric.WithUnit("s"), metric.WithDescription("Time of a request in the batch queue"), seconds)
	b.compute, errs[2] = meter.Float64Histogram("ekiben.batch.compute.duration", metric.WithUnit("s"), metric.WithDescription("Time of a batch in the function"), seconds)
	b.misprediction, errs[3] = meter.Float64Histogram("ekiben.batch.misprediction", metric.WithUnit("s"),
		metric.WithDescription("How much longer or shorter than predicted a batch took"), seconds)
	b.batches, errs[4] = meter.Int64Counter("ekiben.batch.batches", metric.WithUnit("{batch}"), metric.WithDescription("Batches, by the reason for which they were sent"))
	b.refused, errs[5] = meter.Int64Counter("ekiben.batch.refused", metric.WithUnit("{request}"), metric.WithDescription("Requests that left the batch queue without a result, by reason"))
	b.abandoned, errs[6] = meter.Int64Counter("ekiben.batch.abandoned", metric.WithUnit("{item}"), metric.WithDescription("Items computed for callers who had left"))
	return &b, errors.Join(errs[:]...)
}

// Batch adds the series of a batchable API. queued returns the number of queued
// requests and items, and hanging whether the function hangs.
func (s *Service) Batch(method string, queued func() (requests, items int), hanging func() bool) *Batch {
	if !s.t.On() {
		return nil
	}
	b := &Batch{
		batchInstruments: s.t.batches, requests: s.batchSize, queued: queued, hanging: hanging,
		labels:  append([]attribute.KeyValue{attribute.String("method_name", method)}, s.identity...),
		reasons: map[batcher.Reason][]metric.AddOption{}, refusals: map[batcher.Refusal][]metric.AddOption{},
	}
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, b.labels...)...))
	}
	b.depth, b.own, b.add = with(), []metric.RecordOption{with()}, []metric.AddOption{with()}
	b.took = map[bool][]metric.RecordOption{true: {with(attribute.String("actual", "longer"))}, false: {with(attribute.String("actual", "shorter"))}}
	for reason := batcher.ReasonFull; reason <= batcher.ReasonDrain; reason++ {
		b.reasons[reason] = []metric.AddOption{with(attribute.String("reason", reason.String()))}
	}
	for reason := batcher.RefusalQueueFull; reason <= batcher.RefusalHanging; reason++ {
		b.refusals[reason] = []metric.AddOption{with(attribute.String("reason", reason.String()))}
	}
	b.show()
	s.batches = append(s.batches, b)
	return b
}

// show exposes the counters at 0 on /metrics, so that rate() sees the first batch
// and the first refusal.
func (b *Batch) show() {
	ctx := context.Background()
	for _, reason := range b.reasons {
		b.batches.Add(ctx, 0, reason...)
	}
	for _, reason := range b.refusals {
		b.refused.Add(ctx, 0, reason...)
	}
	b.abandoned.Add(ctx, 0, b.add...)
}

// worker returns the labels of BentoML's family for a worker. index is from 1.
func (b *Batch) worker(index int) []metric.RecordOption {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.workers) < index {
		label := attribute.String("worker_index", strconv.Itoa(len(b.workers)+1))
		b.workers = append(b.workers, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append([]attribute.KeyValue{label}, b.labels...)...))})
	}
	return b.workers[index-1]
}

// Record records a batch that has ended.
func (b *Batch) Record(done batcher.Batch) {
	if b == nil {
		return
	}
	ctx := context.Background()
	b.requests.Record(ctx, int64(done.Requests), b.worker(max(done.Worker, 1))...)
	if done.Items == 0 {
		return
	}
	b.items.Record(ctx, int64(done.Items), b.own...)
	for _, queued := range done.Queued {
		b.queueTime.Record(ctx, queued.Seconds(), b.own...)
	}
	b.compute.Record(ctx, done.Compute.Seconds(), b.own...)
	if done.Predicted > 0 && !done.Failed {
		// The sum of a histogram must not go down, so the sign is a label.
		b.misprediction.Record(ctx, (done.Compute - done.Predicted).Abs().Seconds(), b.took[done.Compute > done.Predicted]...)
	}
	b.batches.Add(ctx, 1, b.reasons[done.Reason]...)
	if done.Abandoned > 0 {
		b.abandoned.Add(ctx, int64(done.Abandoned), b.add...)
	}
}

// Refuse records calls that left the queue without a result.
func (b *Batch) Refuse(r batcher.Refused) {
	if b == nil {
		return
	}
	ctx := context.Background()
	b.refused.Add(ctx, int64(r.Calls), b.refusals[r.Reason]...)
	if r.Abandoned > 0 {
		b.abandoned.Add(ctx, int64(r.Abandoned), b.add...)
	}
}
