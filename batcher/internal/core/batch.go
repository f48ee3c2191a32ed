package core

// take makes a batch of the first items of the queue.
func (c *Core) take(now int64, reason Reason) *Batch {
	b := c.fresh()
	*b = Batch{Parts: b.Parts[:0], Reason: reason, Started: now}
	for r := c.queue.first(); r != nil; r = c.queue.first() {
		if r.left {
			c.queue.pop()
			continue
		}
		if r.Deadline > 0 && now >= r.Deadline {
			break // the next call of Next refuses it
		}
		c.fill(b, r)
		if r.taken < r.Items {
			break
		}
		c.queue.waiting--
		c.queue.pop()
		if c.cfg.Disabled {
			break
		}
	}
	if c.cost.known() {
		b.Predicted = c.cost.of(b.Size)
	}
	c.chooseRule(b)
	c.running = append(c.running, now+int64(b.Predicted))
	return b
}

// fill adds the next items of r, the first request of the queue, to b as far as
// they fit.
func (c *Core) fill(b *Batch, r *Request) {
	from := r.taken
	for r.taken < r.Items && (b.Size+r.size(r.taken) <= c.cfg.MaxSize || b.Items == 0) {
		b.Size += r.size(r.taken)
		b.Items++
		c.queue.take(r)
	}
	if r.taken == from {
		return
	}
	if from == 0 {
		r.Started = b.Started
		c.queue.turns.Serve(r.Rank)
	}
	b.Parts = append(b.Parts, Part{r, from, r.taken})
}

// patience is how many batches in a row may be held back in vain. With one client
// that sends its next request after each response, all waits are in vain.
const patience = 3

// chooseRule chooses the rule that holds back the batch after b.
func (c *Core) chooseRule(b *Batch) {
	if c.shadows == nil {
		c.waited = false
		return
	}
	switch {
	case len(b.Parts) > 1:
		c.vain = 0
	case c.waited:
		c.vain++
	}
	c.waited = false
	if c.vain == patience {
		c.vain = 0
		c.shadows.distrust()
	}
	c.rule = c.shadows.choose()
}

func (c *Core) fresh() *Batch {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b
	}
	return &Batch{Parts: make([]Part, 0, 8)}
}

// Recycle lets the core use b again for another batch.
func (c *Core) Recycle(b *Batch) {
	clear(b.Parts)
	if len(c.spare) < 8 {
		c.spare = append(c.spare, b)
	}
}

// Done tells the core that a batch has ended. The core learns from the time that
// it took, unless it failed: failures can be much quicker or slower.
func (c *Core) Done(now int64, b *Batch, failed bool) {
	end := b.Started + int64(b.Predicted)
	for i, e := range c.running {
		if e == end {
			c.running = append(c.running[:i], c.running[i+1:]...)
			break
		}
	}
	c.freed = now
	if c.pace = 0; failed {
		return
	}
	took := float64(now - b.Started)
	if b.Predicted > 0 {
		c.pace = took / b.Predicted
	}
	c.cost.learn(b.Size, took)
}
