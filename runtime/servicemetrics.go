package runtime

import (
	"errors"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// openMetrics adds the series of the service and its APIs.
func (s *Service) openMetrics(entry bool) error {
	set := telemetry.ServiceSettings{Name: s.name, MaxBatchSize: s.maxBatchSize(), Concurrency: s.concurrency, Queued: s.queue.Length}
	if entry {
		set.Prefix = s.app.conf.Now().HTTP.PathPrefix
	}
	metrics, err := s.app.telemetry.AddService(set)
	s.metrics = metrics
	errs := []error{err}
	for _, a := range s.apis {
		a.endpoint, err = metrics.Endpoint(a.route)
		errs = append(errs, err)
		a.endpoint.Show()
		if a.stream != nil {
			a.stream.metrics = metrics.Streams(a.name)
		}
		if a.task != nil {
			a.task.metrics = metrics.Tasks(a.name)
		}
		if a.batch != nil {
			a.batch.metrics = metrics.Batch(a.name, a.batch.queue.Queued, a.batch.queue.Hanging)
		}
	}
	return errors.Join(errs...)
}

// concurrency returns the number of slots in use and the limit in force; 0: no limit.
func (s *Service) concurrency() (taken, limit int64) {
	taken, limit = s.slots.Read()
	if adaptive := s.limit.Limit(); adaptive > 0 {
		limit = min(limit, adaptive)
	}
	return taken, limit
}

// maxBatchSize returns the largest max_batch_size of the service's batchable APIs,
// or 0 if there are none.
func (s *Service) maxBatchSize() int {
	largest := 0
	for _, a := range s.apis {
		if a.batch != nil {
			largest = max(largest, a.batch.configured(s.app.conf.Now().BatchingOf(s.name), 0).MaxBatchSize)
		}
	}
	return largest
}
