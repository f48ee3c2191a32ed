package batcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// Config configures a batcher. The errors of [Config.Validate] name its fields
// as the keys of a configuration file, which are BentoML's where BentoML has
// one. The zero Config is valid and has all defaults.
type Config struct {
	// Disabled switches batching off: each call is a batch of its own, or
	// several if it does not fit into one. Workers, limits and deadlines still
	// hold. Default: false.
	Disabled bool
	// MaxBatchSize limits the items that one call of the function is given, or
	// with [SizeOf] the sum of their sizes. Default and meaning of 0: 100.
	MaxBatchSize int
	// MaxLatency limits the time from a call of Do to its results. A call that is
	// expected to take longer is refused at once, and one that still has items in
	// the queue after this time is refused then. Items that were sent to the
	// function are not interrupted; the context of the call limits how long it
	// waits for them. Default and meaning of 0: 60 s. No limit: [math.MaxInt64].
	MaxLatency time.Duration
	// MaxQueue limits the queued items, or with [SizeOf] the sum of their sizes. A
	// call with more items than there is room for is refused, except if the queue
	// is empty. Default and meaning of 0: no limit.
	MaxQueue int
	// Policy says when a batch that is not full is sent. Default and meaning of "":
	// PolicyAdaptive.
	Policy Policy
	// Window is how long PolicyWindow waits; other policies ignore it. Default: 0,
	// which does not wait.
	Window time.Duration
	// Workers is how many batches run at once, each in its own goroutine. With more
	// than one, the function must be safe for concurrent use. Default and meaning
	// of 0: 1.
	Workers int
	// Retryable says that the function may be called again with items of a batch
	// that failed, because it has no side effects or can repeat them. It is called
	// with halves of the batch until all items that fail are found. The search
	// stops early if all callers have left or are late, or if so many calls in a
	// row failed that no single item can be the cause. Default: false.
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
	// PolicyWindow sends a batch Config.Window after its first item came, or earlier
	// if a call would be late otherwise.
	PolicyWindow Policy = "window"
)

// FailurePolicy says which items fail when the function fails for a batch.
type FailurePolicy string

// The failure policies.
const (
	// FailurePolicyIsolate fails only the items that cause the error: those that
	// the function names with [Errors], or, with Config.Retryable, those that are
	// found by calling it again. If the cause is not known, every item fails.
	FailurePolicyIsolate FailurePolicy = "isolate"
	// FailurePolicyFail fails every item of the batch, also if the function names
	// some of them with [Errors], and never calls it again.
	FailurePolicyFail FailurePolicy = "fail"
)

// The defaults of Config, which are BentoML's.
const (
	DefaultMaxBatchSize = 100
	DefaultMaxLatency   = 60 * time.Second
)

// WithDefaults returns c with the defaults in fields that are 0 or "".
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

// Validate returns an error for every field that is out of range, all joined.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, found any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, found))
		}
	}
	check(c.MaxBatchSize >= 0, "max_batch_size: must be at least 1, found %d", c.MaxBatchSize)
	check(c.MaxLatency >= 0, "max_latency_ms: must be greater than 0, found %g", milliseconds(c.MaxLatency))
	check(c.MaxQueue >= 0, "max_queue: must be 0 (no limit) or more, found %d", c.MaxQueue)
	check(c.Workers >= 0, "workers: must be at least 1, found %d", c.Workers)
	check(c.Window >= 0, "window_ms: must be 0 or more, found %g", milliseconds(c.Window))
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

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

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
