package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/tasks"
)

// taskEnds are the states in which a task has ended.
var taskEnds = []tasks.Status{tasks.Completed, tasks.Failed, tasks.Cancelled}

// taskInstruments has the synchronous instruments of tasks.
type taskInstruments struct{ duration metric.Float64Histogram }

// Tasks records the tasks of one API. A nil Tasks records nothing.
type Tasks struct {
	*taskInstruments
	counted atomic.Pointer[tasks.Stats] // nil: the store was not read yet
	retaken atomic.Int64
	ended   map[tasks.Status]*atomic.Int64

	labels   metric.ObserveOption
	statuses map[tasks.Status]metric.ObserveOption
	records  map[tasks.Status][]metric.RecordOption
}

// runSeconds are the boundaries of a run's duration: a task may take hours.
var runSeconds = metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

func newTaskInstruments(meter metric.Meter) (*taskInstruments, error) {
	duration, err := meter.Float64Histogram("ekiben.task.run.duration", metric.WithUnit("s"),
		metric.WithDescription("Time of the run with which a task ended, by the task's status"), runSeconds)
	return &taskInstruments{duration}, err
}

// Tasks adds the series of an API whose function runs as a task.
func (s *Service) Tasks(method string) *Tasks {
	if !s.t.On() {
		return nil
	}
	m := &Tasks{
		taskInstruments: s.t.tasks, ended: map[tasks.Status]*atomic.Int64{},
		statuses: map[tasks.Status]metric.ObserveOption{}, records: map[tasks.Status][]metric.RecordOption{},
	}
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(s.labels(append(more, attribute.String("method_name", method))...))
	}
	m.labels = with()
	for _, status := range taskEnds {
		labels := with(attribute.String("status", string(status)))
		m.ended[status], m.statuses[status], m.records[status] = &atomic.Int64{}, labels, []metric.RecordOption{labels}
	}
	s.tasks = append(s.tasks, m)
	return m
}

// End counts a task that ended. ran is the time of its last run; 0: it did not run.
func (m *Tasks) End(status tasks.Status, ran time.Duration) {
	if m == nil {
		return
	}
	m.ended[status].Add(1)
	if ran > 0 {
		m.duration.Record(context.Background(), ran.Seconds(), m.records[status]...)
	}
}

// Retake counts a task that runs again because the process that ran it has gone.
func (m *Tasks) Retake() {
	if m != nil {
		m.retaken.Add(1)
	}
}

// Count sets the numbers of the store.
func (m *Tasks) Count(stats tasks.Stats) {
	if m != nil {
		m.counted.Store(&stats)
	}
}

// observeTasks registers the counters and gauges of tasks.
func (t *Telemetry) observeTasks(meter metric.Meter) error {
	if t.tasks == nil {
		return nil
	}
	depth, err1 := meter.Int64ObservableGauge("ekiben.task.queue.depth", metric.WithUnit("{task}"),
		metric.WithDescription("Tasks in the store that wait. All processes with one store have the same value"))
	age, err2 := meter.Float64ObservableGauge("ekiben.task.queue.age", metric.WithUnit("s"),
		metric.WithDescription("How long the task waits that waits longest; 0 if none waits. All processes with one store have the same value"))
	running, err3 := meter.Int64ObservableGauge("ekiben.task.running", metric.WithUnit("{task}"),
		metric.WithDescription("Tasks in the store that run. All processes with one store have the same value"))
	stored, err4 := meter.Int64ObservableGauge("ekiben.task.stored", metric.WithUnit("By"),
		metric.WithDescription("Size of the requests and results in the store. All processes with one store have the same value"))
	ended, err5 := meter.Int64ObservableCounter("ekiben.task.ended", metric.WithUnit("{task}"),
		metric.WithDescription("Tasks that ended in this process, by status"))
	retaken, err6 := meter.Int64ObservableCounter("ekiben.task.retaken", metric.WithUnit("{task}"),
		metric.WithDescription("Tasks that this process took from one that has gone, to run them again"))
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range t.services {
			for _, m := range s.tasks {
				o.ObserveInt64(retaken, m.retaken.Load(), m.labels)
				for _, status := range taskEnds {
					o.ObserveInt64(ended, m.ended[status].Load(), m.statuses[status])
				}
				counted := m.counted.Load()
				if counted == nil {
					continue
				}
				waits := 0.0
				if !counted.Oldest.IsZero() {
					waits = max(0, time.Since(counted.Oldest).Seconds())
				}
				o.ObserveInt64(depth, int64(counted.Waiting), m.labels)
				o.ObserveFloat64(age, waits, m.labels)
				o.ObserveInt64(running, int64(counted.Running), m.labels)
				o.ObserveInt64(stored, counted.Bytes, m.labels)
			}
		}
		return nil
	}, depth, age, running, stored, ended, retaken)
	return err
}
