package core

// Arrive admits a request, or says why not and, if it is known, in how many
// nanoseconds another one would be.
func (c *Core) Arrive(now int64, r *Request) (Refusal, float64) {
	r.Arrived, r.Started, r.taken, r.left = now, 0, 0, false
	if c.cfg.MaxLatency > 0 {
		if limit := now + int64(c.cfg.MaxLatency); r.Deadline == 0 || limit < r.Deadline {
			r.Deadline = limit
		}
	}
	if c.closed {
		return Closed, 0
	}
	size := r.remaining()
	if c.cfg.MaxQueue > 0 && c.queue.size > 0 && c.queue.size+size > c.cfg.MaxQueue {
		return QueueFull, c.until(now, c.queue.size+size-c.cfg.MaxQueue)
	}
	// Where nothing is queued and nothing runs, the estimate is put to the test:
	// one that was wrong would refuse everybody for ever.
	r.trial = c.queue.size == 0 && len(c.running) == 0
	if late := c.end(now, c.queue.size+size) + doubt*c.cost.usual - float64(r.Deadline); r.Deadline > 0 && c.cost.known() && late > 0 && !r.trial {
		return Late, late
	}
	c.last = now
	c.shadow(now, size)
	c.queue.push(r)
	return Admitted, 0
}

// doubt is how many usual errors of the estimate are kept in reserve: what is
// admitted and answered late has been computed for nothing.
const doubt = 2

// end estimates when the size-th unit of the queue will be answered: the full
// batches ahead of it, on the workers as they come free, and its own.
func (c *Core) end(now int64, size int) float64 {
	most := max(c.cfg.MaxSize, 1)
	index := (size - 1) / most // of its batch
	own := size - index*most
	starts := c.starts[:0]
	for _, end := range c.running {
		starts = append(starts, float64(max(end, now)))
	}
	for len(starts) < c.cfg.Workers {
		starts = append(starts, float64(now))
	}
	c.starts = starts
	at := 0
	for range index + 1 {
		at = least(starts)
		if index--; index >= 0 {
			starts[at] += c.cost.of(most)
		}
	}
	if starts[at] > float64(now) {
		own = max(own, most) // others will fill it up
	}
	return starts[at] + c.cost.of(own)
}

func least(of []float64) int {
	at := 0
	for i := range of {
		if of[i] < of[at] {
			at = i
		}
	}
	return at
}

// until estimates when size units of the queue will have gone.
func (c *Core) until(now int64, size int) float64 {
	return c.end(now, size) - float64(now)
}

// shadow lets the shadows meet an arrival.
func (c *Core) shadow(now int64, size int) {
	if c.cfg.Policy != Adaptive || c.cfg.MaxSize < 2 || c.cost.a < noticeable {
		return
	}
	if c.shadows == nil {
		c.shadows = newShadows(c.cfg.MaxSize, c.cfg.Workers)
	}
	c.shadows.arrive(now, size, c.cfg.MaxSize, &c.cost)
}

// noticeable is what a batch must take at least for waiting to be thought of:
// a share of less is what timers are off, and what is gained is lost in the
// noise.
const noticeable = 200_000
