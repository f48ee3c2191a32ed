package core

// decide says why a batch goes now, or until when it waits.
func (c *Core) decide(now int64) (Reason, int64) {
	switch {
	case c.queue.size >= c.cfg.MaxSize:
		return Full, 0
	case c.closed:
		return Drain, 0
	}
	wait, reason := int64(0), Ready
	switch {
	case c.cfg.Policy == Held:
		wait = c.cfg.Hold(c.queue.size, c.queue.first().Arrived)
	case c.cfg.Policy == Window:
		wait = c.queue.first().Arrived + int64(c.cfg.Window)
	case c.rule != nil && c.queue.size < c.rule.enough && c.cfg.Workers-len(c.running) == 1:
		// With another worker free the next one need not wait for this batch.
		wait = c.rule.until(c.queue.first().Arrived, max(c.last, c.freed), &c.cost)
	}
	if c.waited || c.cfg.Policy == Window {
		reason = Gap
	}
	if deadline := c.queue.first().Deadline; deadline > 0 && wait > now {
		// Waiting must not make the oldest late, and its estimate may be off.
		if latest := deadline - int64(1.2*c.cost.of(c.cfg.MaxSize)); latest < wait {
			return Deadline, latest
		}
	}
	return reason, wait
}
