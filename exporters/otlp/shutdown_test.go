package otlp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// sums adds up what it is sent, each push after a while or when its context
// ends.
type sums struct {
	takes time.Duration

	mu     sync.Mutex
	pushes int
	sum    int64
}

func (*sums) Temporality(metric.InstrumentKind) metricdata.Temporality {
	return metricdata.DeltaTemporality
}
func (*sums) Aggregation(k metric.InstrumentKind) metric.Aggregation {
	return metric.DefaultAggregationSelector(k)
}
func (*sums) ForceFlush(context.Context) error { return nil }
func (*sums) Shutdown(context.Context) error   { return nil }

func (s *sums) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	s.mu.Lock()
	s.pushes++
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				s.sum += p.Value
			}
		}
	}
	return nil
}

// What a push that is on its way holds is delivered, unless it takes more than
// half of the time that there is; then it is counted as failed, and the last
// push still has its turn.
func TestShutdownDuringAPush(t *testing.T) {
	for takes, want := range map[time.Duration]int64{900 * time.Millisecond: 7, 1100 * time.Millisecond: 0} {
		synctest.Test(t, func(t *testing.T) {
			reader := metric.NewManualReader(metric.WithTemporalitySelector(metric.DeltaTemporalitySelector))
			counter, err := metric.NewMeterProvider(metric.WithReader(reader)).Meter("x").Int64Counter("c")
			if err != nil {
				t.Fatal(err)
			}
			counter.Add(context.Background(), 7)
			to, stats := &sums{takes: takes}, &Stats{}
			p := NewPusher(reader, to, stats, PushConfig{Interval: time.Second, Timeout: time.Minute})
			time.Sleep(time.Second + time.Millisecond)
			at := time.Now()
			err = p.Shutdown(context.Background())
			if took := time.Since(at); took > 2*time.Second+defaultFlush/8 {
				t.Errorf("took %s", took)
			}
			if to.sum != want || to.pushes != 2 {
				t.Errorf("a push takes %s: %d were delivered by %d pushes, %v", takes, to.sum, to.pushes, err)
			}
			if lost := want == 0; lost != (err != nil) || lost != (stats.Failures(Timeout) > 0) {
				t.Errorf("a push takes %s: %v, %d failed", takes, err, stats.Failures(Timeout))
			}
			if again := p.Shutdown(context.Background()); !errors.Is(again, err) {
				t.Errorf("once more: %v", again)
			}
		})
	}
}

// hung is a Collector with a callback that never returns.
type hung chan struct{}

func (h hung) Collect(context.Context, *metricdata.ResourceMetrics) error {
	<-h
	return nil
}

// A callback that hangs does not hold up the end of a process, whether a push
// is on its way or the last one is to be made.
func TestShutdownWithACallbackThatHangs(t *testing.T) {
	for _, before := range []time.Duration{0, time.Minute + time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			h := make(hung)
			defer func() { close(h); synctest.Wait() }()
			p := NewPusher(h, &sums{}, &Stats{}, PushConfig{})
			time.Sleep(before)
			at := time.Now()
			if err := p.Shutdown(context.Background()); !errors.Is(err, context.DeadlineExceeded) || time.Since(at) > 2*time.Second+defaultFlush/8 {
				t.Errorf("after %s: %v", time.Since(at), err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			q := NewPusher(h, &sums{}, &Stats{}, PushConfig{})
			at = time.Now()
			if err := q.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(at) > defaultFlush/4 {
				t.Errorf("with a context that ends: after %s: %v", time.Since(at), err)
			}
		})
	}
}
