package core

import (
	"math"
	"slices"
)

// Arrive admits or refuses a request. It returns the reason of a refusal, and the
// nanoseconds after which a similar request may be admitted; 0: unknown.
func (c *Core) Arrive(now int64, r *Request) (Refusal, float64) {
	r.Arrived, r.Started, r.Why, r.taken, r.left = now, 0, Admitted, 0, false
	r.limit(c.cfg.MaxLatency)
	if c.closed {
		return Closed, 0
	}
	size := r.remaining()
	at, yielding := c.queue.place(r, size), 0
	if over := c.queue.size + size - c.cfg.MaxQueue; c.cfg.MaxQueue > 0 && c.queue.size > 0 && over > 0 {
		if yielding = c.queue.yielding(at, r, over); yielding == 0 {
			return QueueFull, c.until(now, over)
		}
	}
	if r.trial = c.tries(now, r, size); r.Deadline > 0 && c.cost.known() && !r.trial {
		ahead, requests := c.queue.ahead(at)
		if late := c.end(now, ahead+size, size, requests) + doubt*c.cost.usual - float64(r.Deadline); late > 0 {
			if c.severalBatches(r, size) && c.idle() || c.tooLong(r) {
				return TooMany, 0
			}
			return Late, late
		}
	}
	c.last = now
	c.shadow(now, r)
	c.dismissed = append(c.dismissed, c.queue.dismiss(yielding)...)
	c.queue.insert(at, r)
	return Admitted, 0
}

// tries reports whether a request is admitted as a trial, whatever the estimate
// says. Without trials, a wrong estimate could refuse every request for ever. A trial
// needs an empty queue and idle workers. If the request needs several batches, the workers must also
// have been idle for longer than the time until its deadline, because it may be computed in vain.
func (c *Core) tries(now int64, r *Request, size int) bool {
	return c.idle() && (!c.severalBatches(r, size) || now-c.freed > r.Deadline-now)
}

// idle reports whether nothing is queued and nothing runs.
func (c *Core) idle() bool { return c.queue.size == 0 && len(c.running) == 0 }

// tooLong reports whether r needs several batches, and would be late even if it had
// arrived at an empty queue and idle workers. It counts the items that were sent.
func (c *Core) tooLong(r *Request) bool {
	whole := *r
	whole.taken = 0
	return c.severalBatches(r, whole.remaining()) && float64(r.Arrived)+c.alone(&whole)+doubt*c.cost.usual > float64(r.Deadline)
}

func (c *Core) severalBatches(r *Request, size int) bool { return r.Items > 1 && size > c.cfg.MaxSize }

// alone estimates the time for the remaining items of r if no other request uses
// the workers.
func (c *Core) alone(r *Request) float64 {
	size, most := r.remaining(), max(c.cfg.MaxSize, 1)
	if size <= most || r.Items-r.taken == 1 {
		return c.cost.of(size)
	}
	batches := (size + most - 1) / most
	rounds := (batches + c.cfg.Workers - 1) / max(c.cfg.Workers, 1)
	return float64(rounds-1)*c.cost.of(most) + c.cost.of(size-(batches-1)*most)
}

// doubt is the reserve for errors of the estimate, as a multiple of the usual
// error: a request that is admitted but late is computed in vain.
const doubt = 2

// end estimates when the last request of a queue will have its results. size is the size of the whole
// queue, last the size of that request, ahead the number of requests before it. It assumes that all
// batches but the request's last one are full, and that each starts when a worker becomes idle.
func (c *Core) end(now int64, size, last, ahead int) float64 {
	most := max(c.cfg.MaxSize, 1)
	index := (size - 1) / most // number of batches ahead of the request's last one
	own, full := size-index*most, c.cost.of(most)
	if c.cfg.Disabled { // each request ahead is a batch, or several
		index = max(index, ahead+(last-1)/most)
		own = min(last, most)
		full = c.cost.of(min(max(size-last, 1)/max(ahead, 1), most))
	}
	starts := c.starts[:0]
	for _, end := range c.running {
		starts = append(starts, float64(max(end, now)))
	}
	for enough := min(c.cfg.Workers, len(starts)+index+1); len(starts) < enough; { // more idle workers change nothing
		starts = append(starts, float64(now))
	}
	c.starts = starts
	start := nth(starts, index, full)
	if start > float64(now) && !c.cfg.Disabled {
		own = max(own, c.cost.likely(most)) // later requests may join its last batch
	}
	return start + c.cost.of(own)
}

// nth returns when a batch starts if index other batches start before it. Each of
// the others takes the time takes. starts has the time at which each worker becomes
// idle. nth uses bisection, so that a large index does not make it slow.
func nth(starts []float64, index int, takes float64) float64 {
	if takes <= 0 || index == 0 {
		return slices.Min(starts)
	}
	low := slices.Min(starts)
	high := low + float64(index)*takes
	for range 64 {
		middle := low + (high-low)/2
		if high-low < precision*takes {
			break
		}
		begun := 0.0
		for _, start := range starts {
			if start <= middle {
				begun += math.Floor((middle-start)/takes) + 1
			}
		}
		if begun > float64(index) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// precision is the largest error of nth, as a share of the time of a batch.
const precision = 1e-3

// until estimates how many nanoseconds pass until the first items of the queue have
// their results. size is the sum of their sizes.
func (c *Core) until(now int64, size int) float64 {
	return c.end(now, size, 1, c.queue.waiting) - float64(now)
}

// shadow reports an arrival to the shadows.
func (c *Core) shadow(now int64, r *Request) {
	if c.cfg.Policy != Adaptive || c.cfg.Disabled || c.cfg.MaxSize < 2 || c.cost.a < noticeable {
		return
	}
	if c.shadows == nil {
		c.shadows = newShadows(c.cfg.MaxSize, c.cfg.Workers)
	}
	size := r.Items
	if r.Sizes != nil {
		size = 0
		for _, s := range r.Sizes {
			size += min(s, c.cfg.MaxSize) // a larger item is one full batch
		}
	}
	c.shadows.arrive(now, size, c.cfg.MaxSize, &c.cost)
}

// noticeable is the least time of a batch, in nanoseconds, for which waiting can
// pay. For quicker batches, the waits would be below the precision of timers.
const noticeable = 200_000
