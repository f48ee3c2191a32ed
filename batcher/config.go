package batcher

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// Config configures a batcher. The zero Config is valid and means all defaults. The
// errors of [Config.Validate] name the keys of a configuration file, such as
// max_batch_size, with BentoML's names if BentoML has the key.
type Config struct {
	// Disabled turns batching off: a batch has items of one call only. Workers,
	// limits and deadlines still apply. Default: false.
	Disabled bool
	// MaxBatchSize limits the number of items in one call of the function, or with
	// SizeOf the sum of their sizes. Default and meaning of 0: 100.
	MaxBatchSize int
	// MaxLatency limits the time from a call of Do to its results. A call that is
	// expected to take longer is refused at once. A call that still has items in
	// the queue after this time is refused then. The function is not interrupted;
	// only the context of the call limits the wait for items that were sent to it.
	// Default and meaning of 0: 60 s. At least 1 ms. No limit: math.MaxInt64.
	MaxLatency time.Duration
	// MaxQueue limits the number of queued items, or with SizeOf the sum of their
	// sizes. A call that does not fit is refused, unless the queue is empty. Default
	// and meaning of 0: ten full batches for each worker, but at least 1000. No limit:
	// math.MaxInt.
	MaxQueue int
	// Policy says when a batch that is not full is sent. Default and meaning of "":
	// PolicyAdaptive.
	Policy Policy
	// Window is how long PolicyWindow waits. Other policies ignore it. Default: 0,
	// no wait. At least 1 µs.
	Window time.Duration
	// Workers is how many batches run at once, each in its own goroutine. With more
	// than one, the function must be safe for concurrent use. Default and meaning
	// of 0: 1. At most 4096.
	Workers int
	// Retryable allows the batcher to call the function again with items of a failed
	// batch. Set it if the function has no side effects, or can repeat them. It is called
	// with halves of the batch until all items that fail are found. The search stops
	// early if all callers have left or are late, or if too many calls in a row
	// failed for a single item to be the cause. Default: false.
	Retryable bool
	// FailurePolicy says which items fail when the function fails for a batch.
	// Default and meaning of "": FailurePolicyIsolate.
	FailurePolicy FailurePolicy
}

// Policy says when a batch that is not full is sent. A full batch is sent as soon
// as a worker is idle.
type Policy string

// The policies.
const (
	// PolicyAdaptive sends a batch when a worker is idle, unless a short wait would
	// have lowered the mean latency of recent calls.
	PolicyAdaptive Policy = "adaptive"
	// PolicyIdle sends a batch when a worker is idle, and never waits.
	PolicyIdle Policy = "idle"
	// PolicyWindow sends a batch Config.Window after its first item arrived, or
	// earlier if a call would otherwise be late.
	PolicyWindow Policy = "window"
)

// FailurePolicy says which items fail when the function fails for a batch.
type FailurePolicy string

// The failure policies.
const (
	// FailurePolicyIsolate fails only the items that cause the error: the items that
	// the function names with Errors, or with Config.Retryable those found by
	// calling it again. If the cause is not known, every item fails.
	FailurePolicyIsolate FailurePolicy = "isolate"
	// FailurePolicyFail fails every item of the batch, even if the function names
	// some with Errors. The function is never called again.
	FailurePolicyFail FailurePolicy = "fail"
)

// The defaults of Config, equal to BentoML's.
const (
	DefaultMaxBatchSize = 100
	DefaultMaxLatency   = 60 * time.Second
)

// The default of MaxQueue is queuedBatches full batches for each worker, and at least
// leastQueue, so that a burst of many clients finds room where batches are small.
const (
	queuedBatches = 10
	leastQueue    = 1000
)

// WithDefaults returns c with defaults in the fields that are 0 or "".
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
	if c.MaxQueue == 0 {
		c.MaxQueue = max(leastQueue, queuedBatches*min(c.Workers, math.MaxInt32)*min(c.MaxBatchSize, math.MaxInt32/queuedBatches))
	}
	if c.FailurePolicy == "" {
		c.FailurePolicy = FailurePolicyIsolate
	}
	return c
}

// mostWorkers bounds the memory and the time of the shadows, which look at each worker.
const mostWorkers = 4096

// Validate returns an error for every field that is out of range, all joined.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, found any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, found))
		}
	}
	check(c.MaxBatchSize >= 0, "max_batch_size: must be 0 (the default) or at least 1, found %d", c.MaxBatchSize)
	check(c.MaxLatency == 0 || c.MaxLatency >= time.Millisecond, "max_latency_ms: must be 0 (the default) or at least 1ms, found %s", c.MaxLatency)
	check(c.MaxQueue >= 0, "max_queue: must be 0 (the default) or more, found %d", c.MaxQueue)
	check(c.Workers >= 0 && c.Workers <= mostWorkers, "workers: must be 0 (the default) or 1 to 4096, found %d", c.Workers)
	check(c.Window == 0 || c.Window >= time.Microsecond, "window_ms: must be 0 or at least 1µs, found %s", c.Window)
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

// core returns the core's configuration.
func (c Config) core() core.Config {
	policy := core.Adaptive
	switch c.Policy {
	case PolicyIdle:
		policy = core.Idle
	case PolicyWindow:
		policy = core.Window
	}
	return core.Config{
		Policy: policy, Disabled: c.Disabled, MaxSize: c.MaxBatchSize, MaxQueue: c.MaxQueue, MaxLatency: float64(c.MaxLatency),
		Window: float64(c.Window), Workers: c.Workers,
	}
}
