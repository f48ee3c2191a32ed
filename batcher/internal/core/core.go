// Package core makes the decisions of a batcher: which requests are admitted,
// when a batch is sent, and which items it has. It has no clock, no goroutines
// and no items. Its caller, the driver, passes the time, in nanoseconds of any
// clock that starts above 0. Package batcher drives it with the real clock,
// batcher/sim with a simulated one.
package core

import "math"

// Core is a queue and the decisions about it. It is not safe for concurrent use.
type Core struct {
	cfg      Config
	cost     cost
	shadows  *shadows
	rule     *rule // it holds the next batch back; nil: the batch does not wait
	queue    queue
	last     int64     // time of the last arrival
	freed    int64     // time when a worker last became idle
	pace     float64   // time of the batch that ended last, as a share of its estimate; 0: unknown
	running  []int64   // predicted ends of the batches that run
	starts   []float64 // memory that end uses again
	spare    []*Batch  // batches that take uses again
	waited   bool      // the next batch has been held back
	vain     int       // batches in a row that were held back and got no second request
	draining bool
	closed   bool

	dismissed []*Request // they gave their places to others; the next Step has them
}

// New returns a core with an empty queue.
func New(cfg Config) *Core { return &Core{cfg: cfg} }

// Configure replaces the configuration.
func (c *Core) Configure(cfg Config) {
	if cfg.MaxSize != c.cfg.MaxSize || cfg.Workers != c.cfg.Workers || cfg.Policy != c.cfg.Policy {
		c.shadows, c.rule = nil, nil
	}
	if cfg.MaxLatency != c.cfg.MaxLatency {
		// The queued requests get the new limit too. Otherwise a later request could have
		// an earlier deadline than the first one, and expire checks only the first one.
		c.queue.all(func(r *Request) bool { r.limit(cfg.MaxLatency); return true })
	}
	c.cfg = cfg
}

// limit sets r's deadline, given the longest latency.
func (r *Request) limit(latency float64) {
	r.Deadline = r.Own
	if limit := Later(r.Arrived, latency); latency > 0 && (r.Own == 0 || limit < r.Own) {
		r.Deadline = limit
	}
}

// Later adds nanoseconds to the time at. It returns the largest int64 if the sum is
// larger.
func Later(at int64, nanoseconds float64) int64 {
	if nanoseconds >= float64(math.MaxInt64-at) {
		return math.MaxInt64
	}
	return at + int64(nanoseconds)
}

// Drain ends all waiting: queued items are sent as soon as a worker is idle.
func (c *Core) Drain() { c.draining = true }

// Close refuses new requests, and drains.
func (c *Core) Close() { c.closed, c.draining = true, true }

// Queued returns the number of queued requests whose callers have not left, and the
// number of their items.
func (c *Core) Queued() (requests, items int) { return c.queue.waiting, c.queue.items }

// Running returns the number of batches that run.
func (c *Core) Running() int { return len(c.running) }

// Predict estimates the time that a batch takes, in nanoseconds.
func (c *Core) Predict(size int) float64 { return c.cost.of(size) }

func (r *Request) size(i int) int {
	if r.Sizes == nil {
		return 1
	}
	return r.Sizes[i]
}

// remaining returns the total size of the items that were not sent.
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

// Leave tells the core that a request's caller has left. Its queued items will
// not be sent.
func (c *Core) Leave(r *Request) {
	if !r.queued || r.left {
		return
	}
	r.left = true
	c.queue.forget(r)
	c.queue.compact()
}

// Step is what the driver must do now.
type Step struct {
	// Batch must be run, if it is not nil.
	Batch *Batch
	// Expired requests, and those that gave their places to others, must be refused for their
	// reason Why, even if they have items in a running batch.
	Expired []*Request
	// Again is the time at which the driver must call Next if nothing else happens
	// before; 0: no call is needed.
	Again int64
}

// Next decides what to do now. The driver calls it after every arrival, after
// every end of a batch, and at Step.Again, each time until it returns no batch.
func (c *Core) Next(now int64) Step {
	var step Step
	step.Expired = c.expire(now)
	if c.queue.size == 0 {
		return step
	}
	if free := c.cfg.Workers - len(c.running); free <= 0 {
		step.Again = c.queue.deadline()
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

// expire looks at the first request of the queue. It removes the request if its caller
// has left or it would be late, and then looks at the next one. With ranks, it looks at all. It
// returns the late requests, and those that were dismissed.
func (c *Core) expire(now int64) (expired []*Request) {
	expired, c.dismissed = c.dismissed, nil
	for r := c.queue.first(); r != nil; r = c.queue.first() {
		if !r.left && !c.expires(now, r) {
			break
		}
		if !r.left {
			c.queue.forget(r)
			expired = append(expired, r)
		}
		c.queue.pop()
	}
	if c.queue.ranked == 0 {
		return expired
	}
	c.queue.all(func(r *Request) bool {
		if c.expires(now, r) {
			c.queue.forget(r)
			r.left = true
			expired = append(expired, r)
		}
		return true
	})
	c.queue.compact()
	return expired
}

// expires reports whether r would be late, and sets the reason.
func (c *Core) expires(now int64, r *Request) bool {
	if r.Deadline == 0 || now < r.Deadline && !c.hopeless(now, r) {
		return false
	}
	if r.Why = Expired; c.tooLong(r) {
		r.Why = TooMany
	}
	return true
}

// hopeless reports whether r, a request of the queue, would be late even if
// all its items were sent now. Estimates are not exact, so hopeless assumes that the
// items take a little less time than estimated. If a whole batch of other requests
// can take r's place, it assumes that they take a little more.
func (c *Core) hopeless(now int64, r *Request) bool {
	if !c.cost.known() || r.trial && (r.taken == 0 || c.freed <= r.Started) {
		return false // a trial lasts until its first batch has ended
	}
	const least = 0.9
	size := r.remaining()
	took := least * c.alone(r)
	if r.trial && c.pace > 0 {
		took *= min(c.pace, 1) // a faster model moves the estimate only slowly
	}
	if !c.cfg.Disabled && size <= c.cfg.MaxSize && c.queue.size-size >= c.cfg.MaxSize {
		took = c.cost.of(c.cfg.MaxSize) + c.cost.usual
	}
	return float64(now)+took > float64(r.Deadline)
}

// Abandon empties the queue and returns the requests that were in it.
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
