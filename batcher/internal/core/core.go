// Package core decides: who is admitted to the queue, when a batch goes, and
// what is in it. It has no clock, no goroutines and no types of requests; time
// is passed in, in nanoseconds of whatever clock. Package batcher drives it
// with a real clock, and batcher/sim with a simulated one.
package core

import "math"

// Core is the queue and what decides over it.
type Core struct {
	cfg      Config
	cost     cost
	shadows  *shadows
	rule     *rule // to hold batches back by; nil: none
	queue    queue
	last     int64     // arrival
	freed    int64     // when a worker came free
	running  []int64   // predicted ends of the batches that run
	starts   []float64 // of end
	spare    []*Batch  // to be used again
	waited   bool      // a batch was held back since the last one went
	vain     int       // batches in a row that were held back, and nobody came
	draining bool
	closed   bool
}

// New returns a core with an empty queue.
func New(cfg Config) *Core { return &Core{cfg: cfg} }

// Configure changes what decides.
func (c *Core) Configure(cfg Config) {
	if cfg.MaxSize != c.cfg.MaxSize || cfg.Workers != c.cfg.Workers || cfg.Policy != c.cfg.Policy {
		c.shadows, c.rule = nil, nil
	}
	if cfg.MaxLatency != c.cfg.MaxLatency { // or who came later could expire earlier, unnoticed
		c.queue.all(func(r *Request) bool { r.limit(cfg.MaxLatency); return true })
	}
	c.cfg = cfg
}

// limit sets the deadline.
func (r *Request) limit(latency float64) {
	r.Deadline = r.Own
	if limit := Later(r.Arrived, latency); latency > 0 && (r.Own == 0 || limit < r.Own) {
		r.Deadline = limit
	}
}

// Later is so many nanoseconds after at; the end of time, where an int64 ends.
func Later(at int64, by float64) int64 {
	if by >= float64(math.MaxInt64-at) {
		return math.MaxInt64
	}
	return at + int64(by)
}

// Drain ends all waiting: what is queued goes as soon as workers are free.
func (c *Core) Drain() { c.draining = true }

// Close admits nothing more, and hurries.
func (c *Core) Close() { c.closed, c.draining = true, true }

// Queued returns how much is queued: requests whose callers wait, and their
// items.
func (c *Core) Queued() (requests, items int) { return c.queue.waiting, c.queue.items }

// Running returns how many batches run.
func (c *Core) Running() int { return len(c.running) }

// Predict returns what a batch of a size is expected to take, in nanoseconds.
func (c *Core) Predict(size int) float64 { return c.cost.of(size) }

func (r *Request) size(i int) int {
	if r.Sizes == nil {
		return 1
	}
	return r.Sizes[i]
}

// remaining is the size of what has not been taken yet.
func (r *Request) remaining() int {
	if r.Sizes == nil {
		return r.Items - r.taken
	}
	total := 0
	for _, s := range r.Sizes[r.taken:] {
		total += s
	}
	return total
}

// Leave tells that a request's caller has gone. Items of it that have not gone
// yet never will.
func (c *Core) Leave(r *Request) {
	if !r.queued || r.left {
		return
	}
	r.left = true
	c.queue.forget(r)
}

// Step is what to do now.
type Step struct {
	// Batch to run; nil: none.
	Batch *Batch
	// Expired are requests to refuse. Those of them whose first items went are
	// refused too: their callers wait for all of them.
	Expired []*Request
	// Again is when to ask again, if nothing happens before; 0: there is no
	// need to.
	Again int64
}

// Next says what to do now. Call it after every arrival, end and at Again,
// until it returns no batch.
func (c *Core) Next(now int64) Step {
	var step Step
	step.Expired = c.expire(now)
	if c.queue.size == 0 {
		return step
	}
	if free := c.cfg.Workers - len(c.running); free <= 0 {
		step.Again = c.queue.first().Deadline
		return step
	}
	reason, wait := c.decide(now)
	if wait > now {
		c.waited = true
		step.Again = wait
		return step
	}
	step.Batch = c.take(now, reason)
	return step
}

// expire removes what need not be served any more from the head of the queue:
// requests whose callers have gone, and those that cannot be answered in time.
func (c *Core) expire(now int64) (expired []*Request) {
	for r := c.queue.first(); r != nil; r = c.queue.first() {
		switch {
		case r.left:
		case r.Deadline > 0 && (now >= r.Deadline || c.hopeless(now, r)):
			c.queue.forget(r)
			expired = append(expired, r)
		default:
			return expired
		}
		c.queue.pop()
	}
	return expired
}

// hopeless reports whether r, at the head of the queue, would be answered late
// if it went now, all of it. Estimates are not exact: r gets the benefit of the
// doubt, unless a whole batch of others waits that could have its place.
func (c *Core) hopeless(now int64, r *Request) bool {
	if !c.cost.known() || r.trial && (r.taken == 0 || c.freed <= r.Started) {
		return false // a trial lasts until its first batch has ended
	}
	const least = 0.9
	size := r.remaining()
	took := least * c.alone(r)
	if !c.cfg.Disabled && size <= c.cfg.MaxSize && c.queue.size-size >= c.cfg.MaxSize {
		took = c.cost.of(c.cfg.MaxSize) + c.cost.usual
	}
	return float64(now)+took > float64(r.Deadline)
}

// take makes a batch of the head of the queue.
func (c *Core) take(now int64, reason Reason) *Batch {
	b := c.fresh()
	*b = Batch{Parts: b.Parts[:0], Reason: reason, Started: now}
	for r := c.queue.first(); r != nil; r = c.queue.first() {
		if r.left || r.Deadline > 0 && now >= r.Deadline {
			if !r.left {
				break // Next refuses it, once this batch has gone
			}
			c.queue.pop()
			continue
		}
		from := r.taken
		for r.taken < r.Items && (b.Size+r.size(r.taken) <= c.cfg.MaxSize || b.Items == 0) {
			b.Size += r.size(r.taken)
			b.Items++
			c.queue.take(r)
		}
		if r.taken > from {
			if from == 0 {
				r.Started = now
			}
			b.Parts = append(b.Parts, Part{r, from, r.taken})
		}
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
	c.learnToWait(b)
	c.running = append(c.running, now+int64(b.Predicted))
	return b
}

// patience is how many batches in a row may be held back in vain. A client that
// is alone, and sends its next request when it has its answer, makes each of
// them so.
const patience = 3

// learnToWait chooses the rule to hold the next batch back by, now that b goes.
func (c *Core) learnToWait(b *Batch) {
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
		c.shadows.disappoint()
	}
	c.rule = c.shadows.choose()
}

// Abandon empties the queue and returns what was in it.
func (c *Core) Abandon() []*Request {
	var all []*Request
	for r := c.queue.first(); r != nil; r = c.queue.first() {
		if !r.left {
			c.queue.forget(r)
			all = append(all, r)
		}
		c.queue.pop()
	}
	return all
}

func (c *Core) fresh() *Batch {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b
	}
	return &Batch{Parts: make([]Part, 0, 8)}
}

// Recycle gives back a batch that nobody looks at any more.
func (c *Core) Recycle(b *Batch) {
	clear(b.Parts)
	if len(c.spare) < 8 {
		c.spare = append(c.spare, b)
	}
}

// Done tells that a batch has ended. What it took is learned from, unless it
// failed: a failure says nothing of how long the work takes.
func (c *Core) Done(now int64, b *Batch, failed bool) {
	end := b.Started + int64(b.Predicted)
	for i, e := range c.running {
		if e == end {
			c.running = append(c.running[:i], c.running[i+1:]...)
			break
		}
	}
	c.freed = now
	if !failed {
		c.cost.learn(b.Size, float64(now-b.Started))
	}
}
