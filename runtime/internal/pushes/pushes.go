// Package pushes makes the OTLP exporters that a configuration asks for, and starts and
// ends the pushes of metrics, spans and log lines.
package pushes

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Pushes has the signals that an app pushes to a collector.
type Pushes struct {
	// Metrics, Traces and Logs count the pushes of a signal. Nil: the signal is not pushed.
	Metrics, Traces, Logs *otlp.Stats

	targets []string
	mu      sync.Mutex
	begin   func() (end func(context.Context) error) // starts to push metrics; nil: started, or there is nothing to push
	end     func(context.Context) error

	beginLogs func() // nil: started, or there is nothing to push
	endLogs   func(context.Context) error
	lines     lines
}

// OpenMetrics makes the exporter of metrics. It connects at its first push, after Start.
// flush limits the last push.
func (p *Pushes) OpenMetrics(cfg config.Config, from otlp.Collector, flush time.Duration, logger *slog.Logger) error {
	push, stats := cfg.PushMetrics(), &otlp.Stats{}
	to, err := otlp.NewMetricExporter(otlp.Settings{Config: target(push, cfg.OTLP.Retry), Stats: stats, Logger: logger})
	if err != nil {
		return err
	}
	p.Metrics = stats
	p.targets = append(p.targets, fmt.Sprintf("metrics to %s each %s", where(push), cfg.OTLP.Interval))
	p.end = to.Shutdown
	p.begin = func() func(context.Context) error {
		pusher, _ := otlp.NewPusher(otlp.PushSettings{From: from, To: to, Interval: cfg.OTLP.Interval, Flush: flush}) // neither is nil
		return pusher.Shutdown
	}
	return nil
}

// OpenTraces makes the exporter of spans. The end of life ends an export that runs.
func (p *Pushes) OpenTraces(life context.Context, cfg config.Config, logger *slog.Logger) (sdktrace.SpanExporter, error) {
	push, stats := cfg.PushTraces(), &otlp.Stats{}
	exporter, err := otlp.NewTraceExporter(life, otlp.Settings{Config: target(push, cfg.OTLP.Retry), Stats: stats, Logger: logger})
	if err != nil {
		return nil, err
	}
	p.Traces = stats
	p.targets = append(p.targets, "spans to "+where(push))
	return exporter, nil
}

// Start starts to push metrics and log lines, once.
func (p *Pushes) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begin != nil {
		p.end, p.begin = p.begin(), nil
	}
	if p.beginLogs != nil {
		p.beginLogs()
		p.beginLogs = nil
	}
}

// Stop pushes metrics once more and ends the pushes of OpenMetrics. Later calls of Start
// do nothing.
func (p *Pushes) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.begin = nil
	p.mu.Unlock()
	return p.end(ctx)
}

// String returns the pushed signals and their endpoints.
func (p *Pushes) String() string {
	if len(p.targets) == 0 {
		return "nothing"
	}
	return strings.Join(p.targets, ", ")
}

// target converts the configuration of a push to that of package otlp.
func target(p config.Push, retry config.OTLPRetry) otlp.Config {
	headers := map[string]string{}
	for name, value := range p.Headers {
		headers[name] = value.Reveal()
	}
	return otlp.Config{
		Endpoint: p.Endpoint.Reveal(), Base: p.Base, Protocol: p.Protocol, Gzip: p.Compression == "gzip", Timeout: p.Timeout, Headers: headers,
		TLS:   otlp.TLS{CA: p.TLS.CA, Cert: p.TLS.Cert, Key: p.TLS.Key, Insecure: p.TLS.Insecure},
		Retry: otlp.Retry{Off: !retry.Enabled, Initial: retry.Initial, Max: retry.Max},
	}
}

func where(p config.Push) string {
	if p.Endpoint.IsZero() {
		return "this machine's collector"
	}
	return p.Endpoint.String()
}
