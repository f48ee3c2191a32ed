package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Collector is what metrics are collected from: a [metric.Reader], such as the
// one behind the Prometheus page, so that one cost of recording feeds both.
type Collector interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// PushConfig is when metrics are pushed.
type PushConfig struct {
	// Interval is the time from one push to the next. Default and meaning of
	// 0: 60 s, as OpenTelemetry has it.
	Interval time.Duration
	// Timeout bounds a push. Default and meaning of 0: 10 s.
	Timeout time.Duration
	// Flush bounds the last push, at shutdown. Default and meaning of 0: 2 s.
	Flush time.Duration
	// Logger is told when pushes begin to fail, and when they succeed again.
	// Default and meaning of nil: nobody is.
	Logger *slog.Logger
}

const (
	defaultInterval = time.Minute
	defaultFlush    = 2 * time.Second
)

// Pusher sends what it collects at an interval. Pushes never overlap, and
// nothing is kept of one that failed: with cumulative temporality the next one
// says it all.
type Pusher struct {
	from  Collector
	to    metric.Exporter
	stats *Stats
	cfg   PushConfig

	data    metricdata.ResourceMetrics
	report  *reporter
	stop    context.CancelFunc
	stopped chan struct{}
	once    sync.Once
	err     error
}

// NewPusher begins to push. End it with [Pusher.Shutdown].
func NewPusher(from Collector, to metric.Exporter, stats *Stats, cfg PushConfig) *Pusher {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Flush <= 0 {
		cfg.Flush = defaultFlush
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Pusher{from: from, to: to, stats: stats, cfg: cfg, report: newReporter(cfg.Logger, "metrics"), stop: stop, stopped: make(chan struct{})}
	go p.run(ctx)
	return p
}

func (p *Pusher) run(ctx context.Context) {
	defer close(p.stopped)
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = p.push(ctx, p.cfg.Timeout) // counted and logged
		}
	}
}

// push collects and exports once.
func (p *Pusher) push(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.data.ScopeMetrics = nil // or what was there before would be sent again
	err := p.from.Collect(ctx, &p.data)
	if err == nil || len(p.data.ScopeMetrics) > 0 { // one callback failed, the rest is there
		err = p.to.Export(ctx, &p.data)
	} else {
		err = fmt.Errorf("%w: %w", errCollect, err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // by Shutdown, which pushes once more
	}
	p.report.report(err, p.stats.add(points(&p.data), err))
	return err
}

// Shutdown pushes a last time, for PushConfig.Flush at most, and ends. A push
// that is on its way is given up for it.
func (p *Pusher) Shutdown(ctx context.Context) error {
	p.once.Do(func() {
		p.stop()
		<-p.stopped
		flush := p.push(ctx, p.cfg.Flush)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := p.to.Shutdown(ctx); flush == nil {
			flush = err
		}
		if flush != nil {
			p.err = fmt.Errorf("the last push of metrics failed: %w", flush)
		}
	})
	return p.err
}

// points counts data points.
func points(rm *metricdata.ResourceMetrics) int {
	n := 0
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			n += pointsOf(m.Data)
		}
	}
	return n
}

func pointsOf(data metricdata.Aggregation) int {
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		return len(data.DataPoints)
	case metricdata.Sum[float64]:
		return len(data.DataPoints)
	case metricdata.Gauge[int64]:
		return len(data.DataPoints)
	case metricdata.Gauge[float64]:
		return len(data.DataPoints)
	case metricdata.Histogram[int64]:
		return len(data.DataPoints)
	case metricdata.Histogram[float64]:
		return len(data.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return len(data.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return len(data.DataPoints)
	case metricdata.Summary:
		return len(data.DataPoints)
	}
	return 0
}
