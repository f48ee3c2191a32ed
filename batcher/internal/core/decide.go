package core

// decide says why a batch goes now, or until when it waits.
func (c *Core) decide(now int64) (Reason, int64) {
	switch {
	case c.queued >= c.cfg.MaxSize:
		return Full, 0
	case c.closed:
		return Drain, 0
	}
	wait, reason := int64(0), Ready
	switch {
	case c.cfg.Policy == Held:
		wait = c.cfg.Hold(c.queued, c.queue[c.head].Arrived)
	case c.cfg.Policy == Window:
		wait = c.queue[c.head].Arrived + int64(c.cfg.Window)
	case c.cfg.Policy == Adaptive && c.cost.known() && c.cfg.Workers-len(c.running) == 1:
		// With another worker free the next one need not wait for this batch.
		wait = c.hope(now)
	}
	if c.waited || c.cfg.Policy == Window {
		reason = Gap
	}
	if deadline := c.queue[c.head].Deadline; deadline > 0 && wait > now {
		// Waiting must not make the oldest late, and its estimate may be off.
		if latest := deadline - int64(1.2*c.cost.of(c.cfg.MaxSize)); latest < wait {
			return Deadline, latest
		}
	}
	return reason, wait
}

// hope returns until when it pays to wait for one more request, or 0. What it
// promises is held against what comes, waited for or not: when traffic has
// changed, the gaps tell of it late, and broken promises early.
func (c *Core) hope(now int64) int64 {
	wait := c.gaps.worthwhile(c.queued, float64(now-c.last), c.cost.a, c.cost.b)
	if wait <= 0 {
		return 0
	}
	c.hoped = c.last + int64(wait)
	if c.kept < trust {
		return 0
	}
	return c.hoped
}

// hold holds the last promise against an arrival.
func (c *Core) hold(now int64) {
	if c.hoped == 0 {
		return
	}
	c.kept -= c.kept * recent
	if now <= c.hoped {
		c.kept += recent
	}
	c.hoped = 0
}

const (
	// recent is the weight of the latest promise: about eight count.
	recent = 1.0 / 8
	// trust is the share of promises that must have been kept.
	trust = 0.35
)
