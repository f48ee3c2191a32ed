package runtime

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/batcher"
)

// batchInstruments are the instruments of all batchable APIs of an app, but
// BentoML's own, which each service has with boundaries of its own.
type batchInstruments struct {
	items                          metric.Int64Histogram
	queued, compute, misprediction metric.Float64Histogram
	batches, refused, abandoned    metric.Int64Counter
}

// batchSeries are the series of one batchable API.
type batchSeries struct {
	*batchInstruments
	requests metric.Int64Histogram // BentoML's adaptive_batch_size
	labels   []attribute.KeyValue  // runner_name, service_name, service_version, method_name
	own      []metric.RecordOption
	took     map[bool][]metric.RecordOption // longer than predicted, or not
	add      []metric.AddOption
	reasons  [6][]metric.AddOption
	refusals [7][]metric.AddOption

	mu      sync.Mutex
	workers [][]metric.RecordOption // by index
}

// seconds are boundaries for what takes from a hundredth of a millisecond to a
// minute, in steps of about two and a half.
var seconds = metric.WithExplicitBucketBoundaries(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)

func newBatchInstruments(meter metric.Meter) (*batchInstruments, error) {
	var b batchInstruments
	var errs [7]error
	b.items, errs[0] = meter.Int64Histogram("ekiben.batch.items", metric.WithUnit("{item}"), metric.WithDescription("Items in a batch"),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024))
	b.queued, errs[1] = meter.Float64Histogram("ekiben.batch.queue.duration", metric.WithUnit("s"), metric.WithDescription("Time of a request in the batch queue"), seconds)
	b.compute, errs[2] = meter.Float64Histogram("ekiben.batch.compute.duration", metric.WithUnit("s"), metric.WithDescription("Time of a batch in the function"), seconds)
	b.misprediction, errs[3] = meter.Float64Histogram("ekiben.batch.misprediction", metric.WithUnit("s"),
		metric.WithDescription("How much longer or shorter than predicted a batch took"), seconds)
	b.batches, errs[4] = meter.Int64Counter("ekiben.batch.batches", metric.WithUnit("{batch}"), metric.WithDescription("Batches, by the reason for which they went"))
	b.refused, errs[5] = meter.Int64Counter("ekiben.batch.refused", metric.WithUnit("{request}"), metric.WithDescription("Requests that left the batch queue without a result, by reason"))
	b.abandoned, errs[6] = meter.Int64Counter("ekiben.batch.abandoned", metric.WithUnit("{item}"), metric.WithDescription("Items computed for callers who had left"))
	return &b, errors.Join(errs[:]...)
}

func newBatchSeries(instruments *batchInstruments, requests metric.Int64Histogram, labels []attribute.KeyValue) *batchSeries {
	s := &batchSeries{batchInstruments: instruments, requests: requests, labels: labels}
	set := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, labels...)...))
	}
	s.own, s.add = []metric.RecordOption{set()}, []metric.AddOption{set()}
	s.took = map[bool][]metric.RecordOption{true: {set(attribute.String("actual", "longer"))}, false: {set(attribute.String("actual", "shorter"))}}
	for i := 1; i < len(s.reasons); i++ {
		s.reasons[i] = []metric.AddOption{set(attribute.String("reason", batcher.Reason(i).String()))}
	}
	for i := 1; i < len(s.refusals); i++ {
		s.refusals[i] = []metric.AddOption{set(attribute.String("reason", batcher.Refusal(i).String()))}
	}
	s.begin()
	return s
}

// begin puts the counters on the page at 0, so that rate() sees the first batch
// and the first refusal.
func (s *batchSeries) begin() {
	ctx := context.Background()
	for _, reason := range s.reasons[1:] {
		s.batches.Add(ctx, 0, reason...)
	}
	for _, why := range s.refusals[1:] {
		s.refused.Add(ctx, 0, why...)
	}
	s.abandoned.Add(ctx, 0, s.add...)
}

// worker returns the labels of BentoML's family for a worker, from 1.
func (s *batchSeries) worker(index int) []metric.RecordOption {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.workers) < index {
		label := attribute.String("worker_index", strconv.Itoa(len(s.workers)+1))
		s.workers = append(s.workers, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append([]attribute.KeyValue{label}, s.labels...)...))})
	}
	return s.workers[index-1]
}

func (s *batchSeries) record(b batcher.Batch) {
	ctx := context.Background()
	s.requests.Record(ctx, int64(b.Requests), s.worker(max(b.Worker, 1))...)
	if b.Items == 0 {
		return
	}
	s.items.Record(ctx, int64(b.Items), s.own...)
	for _, queued := range b.Queued {
		s.queued.Record(ctx, queued.Seconds(), s.own...)
	}
	s.compute.Record(ctx, b.Compute.Seconds(), s.own...)
	if b.Predicted > 0 && !b.Failed {
		// A histogram's sum must not go down, so the sign is a label.
		s.misprediction.Record(ctx, (b.Compute - b.Predicted).Abs().Seconds(), s.took[b.Compute > b.Predicted]...)
	}
	s.batches.Add(ctx, 1, s.reasons[b.Reason]...)
	if b.Abandoned > 0 {
		s.abandoned.Add(ctx, int64(b.Abandoned), s.add...)
	}
}

func (s *batchSeries) refuse(r batcher.Refused) {
	ctx := context.Background()
	s.refused.Add(ctx, int64(r.Calls), s.refusals[r.Reason]...)
	if r.Abandoned > 0 {
		s.abandoned.Add(ctx, int64(r.Abandoned), s.add...)
	}
}
