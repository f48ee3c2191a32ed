package pushes

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// mostLines is how many log lines wait for the collector, those of a push included. Further
// ones are dropped.
const mostLines = 2048

// mostValue is how many characters of an attribute of a log line are pushed.
const mostValue = 4096

// OpenLogs makes the exporter of log lines. After Start, the handlers of [Tee] pass lines on to
// it. The end of life ends an export that runs. logger must not be one of those handlers.
func (p *Pushes) OpenLogs(life context.Context, cfg config.Config, res *resource.Resource, logger *slog.Logger) error {
	push, stats := cfg.PushLogs(), &otlp.Stats{}
	exporter, err := otlp.NewLogExporter(life, otlp.Settings{Config: target(push, cfg.OTLP.Retry), Stats: stats, Logger: logger})
	if err != nil {
		return err
	}
	p.Logs = stats
	p.targets = append(p.targets, "log lines to "+where(push))
	p.endLogs = exporter.Shutdown
	p.beginLogs = func() { p.openLines(exporter, push.Timeout, res) }
	return nil
}

func (p *Pushes) openLines(exporter sdklog.Exporter, limit time.Duration, res *resource.Resource) {
	bounded := &boundedExporter{Exporter: exporter, of: p}
	batches := sdklog.NewBatchProcessor(bounded, sdklog.WithMaxQueueSize(mostLines), sdklog.WithExportMaxBatchSize(mostLines/4),
		sdklog.WithExportInterval(time.Second), sdklog.WithExportTimeout(limit))
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(boundedProcessor{batches, p}), sdklog.WithAttributeValueLengthLimit(mostValue))
	var handler slog.Handler = otelslog.NewHandler("github.com/ekiben-serving/ekiben", otelslog.WithLoggerProvider(provider))
	p.lines.to.Store(&handler)
	p.endLogs = provider.Shutdown
}

// LogsBegun reports whether lines are pushed.
func (p *Pushes) LogsBegun() bool { return p.lines.to.Load() != nil }

// StopLogs pushes the lines that wait and ends the push of lines. Later lines are not pushed.
func (p *Pushes) StopLogs(ctx context.Context) error {
	p.mu.Lock()
	end := p.endLogs
	p.beginLogs, p.endLogs = nil, nil
	p.mu.Unlock()
	p.lines.to.Store(nil)
	if end == nil {
		return nil
	}
	return end(ctx)
}

// LostLines returns how many log lines were not pushed: too many waited, or the collector did
// not accept them.
func (p *Pushes) LostLines() int64 { return p.lines.lost.Load() }

// lines counts the lines between the log and the collector.
type lines struct {
	to            atomic.Pointer[slog.Handler] // nil: lines are not pushed
	waiting, lost atomic.Int64
}

// boundedProcessor drops lines when too many wait. The queue of the SDK has as many places, so
// it drops none.
type boundedProcessor struct {
	*sdklog.BatchProcessor
	of *Pushes
}

// OnEmit implements [sdklog.Processor].
func (b boundedProcessor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if b.of.lines.waiting.Add(1) > mostLines {
		b.of.lines.waiting.Add(-1)
		b.of.lines.lost.Add(1)
		return nil
	}
	return b.BatchProcessor.OnEmit(ctx, record)
}

// boundedExporter counts the lines that leave the queue.
type boundedExporter struct {
	sdklog.Exporter
	of *Pushes
}

// Export implements [sdklog.Exporter].
func (b *boundedExporter) Export(ctx context.Context, records []sdklog.Record) error {
	before := b.of.Logs.Exported()
	err := b.Exporter.Export(ctx, records)
	b.of.lines.waiting.Add(int64(-len(records)))
	b.of.lines.lost.Add(int64(len(records)) - (b.of.Logs.Exported() - before))
	return err
}
