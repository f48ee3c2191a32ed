// Package batcher merges the calls of many callers into few calls of a function
// that is cheaper by the batch: a model.
//
//	b := batcher.New(encode, batcher.Config{MaxBatchSize: 32})
//	vectors, timing, err := b.Do(ctx, texts)
//
// A batch goes when it is full, or when a worker is idle and waiting for one
// more cannot pay, by what batches took and how calls arrive. A
// call that cannot be answered by its deadline is refused at once. Callers are
// served in the order in which they came, and each gets its own results.
//
// It needs the standard library only.
package batcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// Policy is when a batch goes that is not full.
type Policy string

// The policies.
const (
	// PolicyAdaptive waits for more when that pays: by the rule that would have served
	// the latest calls best, had they met it.
	PolicyAdaptive Policy = "adaptive"
	// PolicyIdle never waits while a worker is idle.
	PolicyIdle Policy = "idle"
	// PolicyWindow waits Config.PolicyWindow after the first arrival.
	PolicyWindow Policy = "window"
)

// Config is what a user writes to make an API batchable, in BentoML's words
// where BentoML has one.
type Config struct {
	// Disabled switches batching off: each call is a batch. Workers, limits and
	// deadlines still hold. Default: false.
	Disabled bool
	// MaxBatchSize is the most items, or the most of what SizeOf gives them,
	// that one call of the function is given. Default and meaning of 0: 100. It
	// also sets the boundaries of adaptive_batch_size, with the largest of a
	// service's APIs.
	MaxBatchSize int
	// MaxLatency is how long a call may take, queue and function together: one
	// that would take longer, by what batches took, is refused, and so is one
	// that is still queued then. What has gone to the function is answered
	// however long that takes; the caller's context bounds it. Default and
	// meaning of 0: 60 s; no limit: [math.MaxInt64].
	MaxLatency time.Duration
	// MaxQueue is how many items, or how much of what SizeOf gives them, may be
	// queued; a call that finds no room is
	// refused, unless the queue is empty. Default and meaning of 0: no limit
	// but MaxLatency.
	MaxQueue int
	// Policy is when a batch goes. Default and meaning of "": Adaptive.
	Policy Policy
	// Window is how long the policy Window waits. Default and meaning of 0: it
	// does not.
	Window time.Duration
	// Workers is how many batches run at once, each in a goroutine: with more
	// than one the function must be safe for concurrent use. Default and meaning
	// of 0: 1.
	Workers int
	// Retryable says that the function may be called again with items of a
	// batch that failed: it has no effects, or the same ones again. It is, until
	// all that fails is found, the last caller has left or is late, or so many
	// calls have failed in a row that no single item can be to blame.
	Retryable bool
	// FailurePolicy says which items fail when the function fails for a batch.
	// Default and meaning of "": FailurePolicyIsolate.
	FailurePolicy FailurePolicy
}

// FailurePolicy says which items fail when the function fails for a batch.
type FailurePolicy string

// The failure policies.
const (
	// FailurePolicyIsolate fails only the items that cause the error: those that
	// the function names with [Errors], or, if it is Retryable, those that are
	// found by calling it again with halves of the batch.
	FailurePolicyIsolate FailurePolicy = "isolate"
	// FailurePolicyFail fails every item of the batch.
	FailurePolicyFail FailurePolicy = "fail"
)

// BentoML's defaults.
const (
	DefaultMaxBatchSize = 100
	DefaultMaxLatency   = 60 * time.Second
)

// WithDefaults returns c with its zero fields filled in.
func (c Config) WithDefaults() Config {
	if c.MaxBatchSize == 0 {
		c.MaxBatchSize = DefaultMaxBatchSize
	}
	if c.MaxLatency == 0 {
		c.MaxLatency = DefaultMaxLatency
	}
	if c.Policy == "" {
		c.Policy = PolicyAdaptive
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	return c
}

// Validate reports every field that is out of range.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, found any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, found))
		}
	}
	check(c.MaxBatchSize >= 0, "max_batch_size: must be at least 1, found %d", c.MaxBatchSize)
	check(c.MaxLatency >= 0, "max_latency_ms: must be greater than 0, found %d", c.MaxLatency.Milliseconds())
	check(c.MaxQueue >= 0, "max_queue: must be 0 (no limit) or more, found %d", c.MaxQueue)
	check(c.Workers >= 0, "workers: must be at least 1, found %d", c.Workers)
	check(c.Window >= 0, "window: must not be negative, found %s", c.Window)
	switch c.FailurePolicy {
	case "", FailurePolicyIsolate, FailurePolicyFail:
	default:
		check(false, "failure_policy: must be isolate or fail, found %q", c.FailurePolicy)
	}
	switch c.Policy {
	case "", PolicyAdaptive, PolicyIdle, PolicyWindow:
	default:
		check(false, "policy: must be adaptive, idle or window, found %q", c.Policy)
	}
	return errors.Join(errs...)
}

// core is c as the core has it.
func (c Config) core() core.Config {
	policies := map[Policy]core.Policy{PolicyAdaptive: core.Adaptive, PolicyIdle: core.Idle, PolicyWindow: core.Window}
	return core.Config{
		Policy: policies[c.Policy], Disabled: c.Disabled, MaxSize: c.MaxBatchSize, MaxQueue: c.MaxQueue, MaxLatency: float64(c.MaxLatency),
		Window: float64(c.Window), Workers: c.Workers,
	}
}
