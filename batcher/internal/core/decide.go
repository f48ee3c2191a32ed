package core

import "math"

// decide returns the time until which the next batch waits, and the reason for which
// it is sent then. If this time is not after now, the batch is sent now.
func (c *Core) decide(now int64) (Reason, int64) {
	switch {
	case c.cfg.Disabled && !c.draining:
		return Ready, 0
	case c.queue.size >= c.cfg.MaxSize && !c.cfg.Disabled:
		return Full, 0
	case c.draining:
		return Drain, 0
	}
	wait, reason := int64(0), Ready
	switch {
	case c.cfg.Policy == Held:
		wait = c.cfg.Hold(c.queue.size, c.queue.oldest())
	case c.cfg.Policy == Window:
		wait = Later(c.queue.oldest(), c.cfg.Window)
	case c.rule != nil && c.queue.size < c.rule.enough && c.cfg.Workers-len(c.running) == 1:
		// With more idle workers, later requests need not wait for this batch.
		wait = c.rule.until(c.queue.oldest(), max(c.last, c.freed), &c.cost)
	}
	if c.waited || c.cfg.Policy == Window {
		reason = Gap
	}
	if wait > now {
		if latest := c.latest(); latest < wait {
			return Deadline, latest
		}
	}
	return reason, wait
}

// latest returns the latest time at which a batch with all queued items can be sent
// without making a request late. It keeps a fifth of the estimated time in reserve.
// Without an estimate, a request may wait for half of its time.
func (c *Core) latest() int64 {
	latest := int64(math.MaxInt64)
	c.queue.all(func(r *Request) bool {
		switch {
		case r.Deadline == 0:
		case c.cost.known():
			latest = min(latest, r.Deadline-int64(1.2*c.cost.of(max(c.queue.size, c.cost.likely(c.cfg.MaxSize)))))
		default:
			latest = min(latest, r.Arrived+(r.Deadline-r.Arrived)/2)
		}
		return true
	})
	return latest
}
