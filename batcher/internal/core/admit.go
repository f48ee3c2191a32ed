package core

import (
	"math"
	"slices"
)

// Arrive admits a request, or says why not and, if it is known, in how many
// nanoseconds another one would be.
func (c *Core) Arrive(now int64, r *Request) (Refusal, float64) {
	r.Arrived, r.Started, r.taken, r.left = now, 0, 0, false
	r.limit(c.cfg.MaxLatency)
	if c.closed {
		return Closed, 0
	}
	size := r.remaining()
	if c.cfg.MaxQueue > 0 && c.queue.size > 0 && c.queue.size+size > c.cfg.MaxQueue {
		return QueueFull, c.until(now, c.queue.size+size-c.cfg.MaxQueue)
	}
	if r.trial = c.tries(now, r, size); r.Deadline > 0 && c.cost.known() && !r.trial {
		if late := c.end(now, c.queue.size+size, size) + doubt*c.cost.usual - float64(r.Deadline); late > 0 {
			if c.severalBatches(r, size) && float64(now)+c.alone(r) > float64(r.Deadline) {
				return TooMany, late
			}
			return Late, late
		}
	}
	c.last = now
	c.shadow(now, r)
	c.queue.push(r)
	return Admitted, 0
}

// tries reports whether a request is admitted whatever the estimate says, to put
// it to the test: one that was wrong would refuse everybody for ever. That is so
// where nothing is queued and nothing runs, for what one batch holds; for more,
// of which most would be computed in vain, only where nothing has run for as
// long as it may take.
func (c *Core) tries(now int64, r *Request, size int) bool {
	if c.queue.size > 0 || len(c.running) > 0 {
		return false
	}
	return !c.severalBatches(r, size) || now-c.freed > r.Deadline-now
}

func (c *Core) severalBatches(r *Request, size int) bool { return r.Items > 1 && size > c.cfg.MaxSize }

// alone estimates what is left of a request takes with all workers to itself.
func (c *Core) alone(r *Request) float64 {
	size, most := r.remaining(), max(c.cfg.MaxSize, 1)
	if size <= most || r.Items-r.taken == 1 {
		return c.cost.of(size)
	}
	batches := (size + most - 1) / most
	rounds := (batches + c.cfg.Workers - 1) / max(c.cfg.Workers, 1)
	return float64(rounds-1)*c.cost.of(most) + c.cost.of(size-(batches-1)*most)
}

// doubt is how many usual errors of the estimate are kept in reserve: what is
// admitted and answered late has been computed for nothing.
const doubt = 2

// end estimates when the size-th unit of the queue will be answered, of a
// request with so many of them: the full batches ahead of it, on the workers as
// they come free, and its own.
func (c *Core) end(now int64, size, last int) float64 {
	most := max(c.cfg.MaxSize, 1)
	index := (size - 1) / most // of its batch
	own, full := size-index*most, c.cost.of(most)
	if ahead := c.queue.waiting; c.cfg.Disabled { // each ahead of it is a batch, or several
		index = max(index, ahead+(last-1)/most)
		own = min(last, most)
		full = c.cost.of(min(max(size-last, 1)/max(ahead, 1), most))
	}
	starts := c.starts[:0]
	for _, end := range c.running {
		starts = append(starts, float64(max(end, now)))
	}
	for len(starts) < c.cfg.Workers {
		starts = append(starts, float64(now))
	}
	c.starts = starts
	start := nth(starts, index, full)
	if start > float64(now) && !c.cfg.Disabled {
		own = max(own, c.cost.likely(most)) // others will fill it up
	}
	return start + c.cost.of(own)
}

// nth returns when a batch starts that has index others ahead of it, each of
// which takes so long, on workers that are free at starts. Nobody's list is so
// long that this takes long.
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

// precision of nth, as a share of a batch.
const precision = 1e-3

// until estimates when size units of the queue will have gone.
func (c *Core) until(now int64, size int) float64 {
	return c.end(now, size, 1) - float64(now)
}

// shadow lets the shadows meet an arrival.
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
			size += min(s, c.cfg.MaxSize) // what is larger is one batch too
		}
	}
	c.shadows.arrive(now, size, c.cfg.MaxSize, &c.cost)
}

// noticeable is what a batch must take at least for waiting to be thought of:
// a share of less is what timers are off, and what is gained is lost in the
// noise.
const noticeable = 200_000
