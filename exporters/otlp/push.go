package otlp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Collector collects metrics, as a [metric.Reader] of the SDK does.
type Collector interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// PushSettings configures a [Pusher].
type PushSettings struct {
	// From collects the metrics of each push. It is required.
	From Collector
	// To sends the metrics. Its timeout limits a push, including the collection.
	// The pusher shuts it down. It is required.
	To *MetricExporter
	// Interval is the time from one push to the next. A push that takes longer delays
	// the next one. Default and meaning of 0: 60 s.
	Interval time.Duration
	// Flush limits Shutdown, including the last push. Default and meaning of 0: 2 s.
	Flush time.Duration
}

const (
	defaultInterval = time.Minute
	defaultFlush    = 2 * time.Second
)

// Pusher sends metrics at an interval. Pushes do not overlap. The data of a
// failed push is dropped; with cumulative temporality the next push contains it.
// If a callback fails, the other metrics are still pushed.
type Pusher struct {
	cfg     PushSettings
	data    metricdata.ResourceMetrics
	ending  chan struct{} // closed by Shutdown: no further push begins
	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has returned
	once    sync.Once
	err     error
}

// NewPusher returns a pusher that has started. Durations of 0 or less mean the
// defaults. [Pusher.Shutdown] ends it. Errors: From or To is nil.
func NewPusher(s PushSettings) (*Pusher, error) {
	if s.From == nil || s.To == nil {
		return nil, errors.New("otlp.NewPusher: From and To must not be nil")
	}
	if s.Interval <= 0 {
		s.Interval = defaultInterval
	}
	if s.Flush <= 0 {
		s.Flush = defaultFlush
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pusher{cfg: s, ending: make(chan struct{}), cancel: cancel, stopped: make(chan struct{})}
	go p.run(ctx)
	return p, nil
}

// run pushes at each tick until Shutdown. Shutdown ends ctx if a push in progress takes
// too long.
func (p *Pusher) run(ctx context.Context) {
	defer close(p.stopped)
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ending:
			return
		case <-ticker.C:
			select {
			case <-p.ending: // both are ready after a push that was slow
				return
			default:
			}
			_ = p.push(ctx, p.cfg.To.client.timeout) // the exporter counts and logs it
		}
	}
}

// push collects and exports once. If a callback fails, the other metrics are still
// pushed.
func (p *Pusher) push(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.data.ScopeMetrics = nil // Collect leaves it unchanged when it fails
	err := p.collect(ctx)
	if err != nil && len(p.data.ScopeMetrics) == 0 {
		err = &Error{Reason: ReasonInternal, Err: fmt.Errorf("metrics cannot be collected: %w", err)}
		p.cfg.To.outcomes.add(0, err)
		return err
	}
	points, errExport := p.cfg.To.export(ctx, &p.data)
	if errExport == nil && err != nil {
		errExport = &Error{Reason: ReasonInternal, Err: fmt.Errorf("some metrics cannot be collected: %w", err)}
	}
	p.cfg.To.outcomes.add(points, errExport)
	return errExport
}

// collect turns a panic of a callback, which the SDK does not recover, into an error.
func (p *Pusher) collect(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a metric callback panicked: %v", r)
		}
	}()
	return p.cfg.From.Collect(ctx, &p.data)
}

// Shutdown pushes a last time and shuts the exporter down, within
// PushSettings.Flush, or until ctx ends if that is earlier. A push in progress
// has half of that time to finish, because with delta temporality the last push does
// not repeat its data; then it is cancelled. Shutdown does not wait for a callback
// that hangs. Further calls return the error of the first one.
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

// flush lets the push in progress finish, and pushes once more.
func (p *Pusher) flush(ctx context.Context) error {
	late := time.AfterFunc(p.cfg.Flush/2, p.cancel)
	defer p.cancel()
	select {
	case <-p.stopped:
	case <-ctx.Done():
		return ctx.Err()
	}
	late.Stop()
	err := p.push(ctx, p.cfg.Flush)
	if closed := p.cfg.To.Shutdown(ctx); err == nil {
		err = closed
	}
	return err
}
