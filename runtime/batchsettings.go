package runtime

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// batching is the part of an api that only batchable APIs have.
type batching struct {
	cfg     batcher.Config // as declared
	items   string         // the parameter that holds the items
	sizeOf  any            // a func(In) int; nil: each item has size 1
	queue   queue
	timing  atomic.Bool // respond with Server-Timing
	hung    atomic.Bool // the log says that the function hangs
	metrics *telemetry.Batch
}

// queue is a batcher with its types erased.
type queue interface {
	Configure(batcher.Config) error
	Close(context.Context) error
	Drain()
	Queued() (requests, items int)
	Hanging() bool
}

// configured returns the declared settings with the configuration's overrides. Disabled
// in code holds, whatever batching.enabled is.
func (b *batching) configured(over config.Batching, workers int) batcher.Config {
	cfg := b.cfg
	override(&cfg.MaxBatchSize, over.MaxBatchSize)
	override(&cfg.MaxLatency, over.MaxLatency)
	if override(&cfg.MaxQueue, over.MaxQueue); over.MaxQueue != nil && *over.MaxQueue == 0 {
		cfg.MaxQueue = math.MaxInt
	}
	override(&cfg.Window, over.Window)
	if over.Policy != "" {
		cfg.Policy = batcher.Policy(over.Policy)
	}
	if over.FailurePolicy != "" {
		cfg.FailurePolicy = batcher.FailurePolicy(over.FailurePolicy)
	}
	if workers > 0 {
		cfg.Workers = workers
	}
	cfg.Disabled = cfg.Disabled || !over.Enabled
	return cfg.WithDefaults() // that of MaxQueue depends on the others
}

func override[T any](value, over *T) {
	if over != nil {
		*value = *over
	}
}

// apply applies the configuration.
func (b *batching) apply(over config.Batching, workers int) {
	_ = b.queue.Configure(b.configured(over, workers)) // valid: the configuration was checked
	b.timing.Store(over.ServerTiming)
}
