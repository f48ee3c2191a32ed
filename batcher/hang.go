package batcher

import "time"

// leastHang is the least time after which a function hangs. Until then it is only slow.
const leastHang = 10 * time.Second

// Hanging reports whether the function hangs: every worker has run its batch for longer than
// MaxLatency and at least 10 s, and all callers of these batches have left. Until a function
// returns, Do refuses calls at once with RefusalHanging, because their items might never be
// sent. No other goroutine takes the place of a worker that hangs: the function need not be
// safe for concurrent use.
func (b *Batcher[In, Out]) Hanging() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hanging(b.now())
}

// hanging is Hanging. b.mu is held.
func (b *Batcher[In, Out]) hanging(now int64) bool {
	if b.core.Running() < b.cfg.Workers {
		return false
	}
	for _, l := range b.lanes {
		if l.batch != nil && (l.callers > 0 || time.Duration(now-l.batch.Started) <= max(b.cfg.MaxLatency, leastHang)) {
			return false
		}
	}
	return true
}
