package otlp

import (
	"context"
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
	ending  chan struct{} // closed by Shutdown: no more pushes begin
	stop    context.CancelFunc
	stopped chan struct{} // closed when the last of them has ended
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
	p := &Pusher{from: from, to: to, stats: stats, cfg: cfg, report: newReporter(cfg.Logger, "metrics"),
		ending: make(chan struct{}), stop: stop, stopped: make(chan struct{})}
	go p.run(ctx)
	return p
}

func (p *Pusher) run(ctx context.Context) {
	defer close(p.stopped)
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ending:
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
	p.report.report(err, p.stats.add(points(&p.data), err))
	return err
}

// Shutdown pushes a last time, and ends: within PushConfig.Flush, or when ctx
// ends if that is earlier. A push that is on its way has half of that time to
// end, since with delta temporality the last one does not repeat what it holds;
// after that it counts as failed. A callback that hangs is left behind.
func (p *Pusher) Shutdown(ctx context.Context) error {
	p.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.Flush)
		defer cancel()
		close(p.ending)
		flushed := make(chan error, 1)
		go func() { flushed <- p.flush(ctx) }()
		select {
		case p.err = <-flushed:
		case <-ctx.Done():
			select {
			case p.err = <-flushed:
			case <-time.After(p.cfg.Flush / 8): // an exporter needs a moment to notice
				p.err = ctx.Err()
			}
		}
		if p.err != nil {
			p.err = fmt.Errorf("the last push of metrics failed: %w", p.err)
		}
	})
	return p.err
}

// flush lets the push that is on its way end, and pushes once more.
func (p *Pusher) flush(ctx context.Context) error {
	late := time.AfterFunc(p.cfg.Flush/2, p.stop)
	defer p.stop()
	select {
	case <-p.stopped:
	case <-ctx.Done():
		return ctx.Err()
	}
	late.Stop()
	err := p.push(ctx, p.cfg.Flush)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if ended := p.to.Shutdown(ctx); err == nil {
		err = ended
	}
	return err
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
