// Package batcher holds what adaptive batching is configured with.
//
// Declaring an API batchable with a [Config] puts its batch sizes on the page
// and into /schema.json. The queue that merges callers is not part of this
// version: each call is a batch of one request, and is counted as one.
package batcher

import (
	"errors"
	"fmt"
	"time"
)

// Config is what a user writes to make an API batchable, in BentoML's words.
type Config struct {
	// MaxBatchSize is the most items one call of the function is given.
	// Default and meaning of 0: 100. It also sets the boundaries of
	// adaptive_batch_size, with the largest of a service's APIs.
	MaxBatchSize int
	// MaxLatency is how long a caller may wait for its answer before it is
	// refused. Default and meaning of 0: 60 s.
	MaxLatency time.Duration
}

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
	return c
}

// Validate reports every field that is out of range.
func (c Config) Validate() error {
	var errs []error
	if c.MaxBatchSize < 0 {
		errs = append(errs, fmt.Errorf("max_batch_size: must be at least 1, found %d", c.MaxBatchSize))
	}
	if c.MaxLatency < 0 {
		errs = append(errs, fmt.Errorf("max_latency_ms: must be greater than 0, found %d", c.MaxLatency.Milliseconds()))
	}
	return errors.Join(errs...)
}
