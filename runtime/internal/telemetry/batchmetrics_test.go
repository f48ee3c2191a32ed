package telemetry

import (
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
)

// A batch is recorded in BentoML's family with its worker, and in the runtime's own
// families. The error of a prediction is recorded with its direction; it is not
// recorded for a failed batch and for one without a prediction. Refused calls have
// their reason.
func TestBatchMetrics(t *testing.T) {
	r := measure(t)
	r.check(r.Prepare(Kinds{Batches: true}))
	s, err := r.AddService(ServiceSettings{Name: "Front", MaxBatchSize: 4, Concurrency: func() (int64, int64) { return 0, 0 }})
	r.check(err, r.Register(false))
	b := s.Batch("encode", func() (int, int) { return 2, 5 }, func() bool { return false })
	for _, done := range []batcher.Batch{
		{Requests: 2, Items: 3, Worker: 1, Queued: []time.Duration{time.Second, 2 * time.Second}, Compute: 3 * time.Second, Reason: batcher.ReasonFull},
		{Requests: 1, Items: 4, Worker: 2, Queued: []time.Duration{time.Second}, Compute: 3 * time.Second, Predicted: time.Second, Reason: batcher.ReasonIdle, Abandoned: 2},
		{Requests: 1, Items: 1, Compute: time.Second, Predicted: 4 * time.Second, Reason: batcher.ReasonIdle},
		{Requests: 1, Items: 1, Worker: 1, Compute: time.Second, Predicted: 4 * time.Second, Failed: true, Reason: batcher.ReasonIdle},
		{Requests: 1, Worker: 1}, // without an item
	} {
		b.Record(done)
	}
	b.Refuse(batcher.Refused{Reason: batcher.RefusalQueueFull, Calls: 3, Abandoned: 1})
	exposition := r.scrape()
	got := ""
	for _, parts := range [][]string{
		{"adaptive_batch_size_sum"}, {"adaptive_batch_size_count"}, {"adaptive_batch_size_bucket", `worker_index="2"`}, {"ekiben_batch_items_sum"}, {"ekiben_batch_queue_duration_seconds_sum"},
		{"ekiben_batch_compute_duration_seconds_sum"}, {"ekiben_batch_misprediction_seconds_sum"}, {"ekiben_batch_abandoned_total"}, {"batches_total", `"full"`}, {"batches_total", `"idle"`},
		{"ekiben_batch_queue_items"}, {"refused_total", `"queue_full"`}, {"refused_total", `"left"`},
	} {
		got += matching(exposition, parts...)
	}
	same(t, "/metrics", got, `bentoml_service_adaptive_batch_size_sum{method_name="encode",worker_index="1"} 5.0
bentoml_service_adaptive_batch_size_sum{method_name="encode",worker_index="2"} 1.0
bentoml_service_adaptive_batch_size_count{method_name="encode",worker_index="1"} 4.0
bentoml_service_adaptive_batch_size_count{method_name="encode",worker_index="2"} 1.0
bentoml_service_adaptive_batch_size_bucket{le="1.0",method_name="encode",worker_index="2"} 1.0
bentoml_service_adaptive_batch_size_bucket{le="2.0",method_name="encode",worker_index="2"} 1.0
bentoml_service_adaptive_batch_size_bucket{le="4.0",method_name="encode",worker_index="2"} 1.0
bentoml_service_adaptive_batch_size_bucket{le="+Inf",method_name="encode",worker_index="2"} 1.0
ekiben_batch_items_sum{method_name="encode"} 9.0
ekiben_batch_queue_duration_seconds_sum{method_name="encode"} 4.0
ekiben_batch_compute_duration_seconds_sum{method_name="encode"} 8.0
ekiben_batch_misprediction_seconds_sum{actual="longer",method_name="encode"} 2.0
ekiben_batch_misprediction_seconds_sum{actual="shorter",method_name="encode"} 3.0
ekiben_batch_abandoned_total{method_name="encode"} 3.0
ekiben_batch_batches_total{method_name="encode",reason="full"} 1.0
ekiben_batch_batches_total{method_name="encode",reason="idle"} 3.0
ekiben_batch_queue_items{method_name="encode"} 5.0
ekiben_batch_refused_total{method_name="encode",reason="queue_full"} 3.0
ekiben_batch_refused_total{method_name="encode",reason="left"} 0.0
`)
	(*Batch)(nil).Record(batcher.Batch{})
	(*Batch)(nil).Refuse(batcher.Refused{})
}
