package main

import "math"

// cork is BentoML's dispatcher, written from a description of its behavior. It
// decides every millisecond. It sends a batch of n when n·(time since the last
// arrival + 1 ms + slope) is more than 0.95 of the expected wait, the mean wait of
// the first request in the last 50 batches. It drops the first request of the
// queue if it would be late with the whole queue as one batch. It fits slope and
// fixed by least squares every five seconds. The first batches train it.
type cork struct {
	model    model
	deadline float64
	tally    *tally

	slope, fixed, expected float64
	samples                []sample
	seen                   int
	refreshed              int64

	queue, running []int64 // arrivals
	started, end   int64
	waited         float64 // wait of the first request in running
	seed           uint64
	horizon        int64
}

type sample struct{ n, took, wait float64 }

const (
	corkTick    = 1 * ms
	corkDecay   = 0.95
	corkKept    = 50
	corkRefresh = 5000 * ms
	corkTrained = 14
	corkSkipped = 2
)

// runCork serves arrivals as run does.
func runCork(m model, arrivals []int64, horizon int64, seed uint64, deadline float64) outcome {
	if deadline == 0 {
		deadline = 60_000 * ms // BentoML's default
	}
	c := &cork{model: m, deadline: deadline, tally: &tally{deadline: deadline, horizon: horizon}, seed: seed, horizon: horizon,
		slope: math.Min(2e9, deadline*2/30), fixed: math.Min(1e9, deadline/30)}
	next := 0
	for now := int64(0); next < len(arrivals) || len(c.queue) > 0 || c.running != nil; now += corkTick {
		if len(c.queue) == 0 && c.running == nil && arrivals[next] > now {
			now = arrivals[next] // skip the ticks without work
		}
		for next < len(arrivals) && arrivals[next] <= now {
			c.queue = append(c.queue, arrivals[next])
			next++
		}
		c.tick(now)
	}
	return c.tally.result(m)
}

func (c *cork) tick(now int64) {
	if c.running != nil && c.end <= now {
		for _, arrived := range c.running {
			c.tally.serve(c.end, arrived)
		}
		c.learn(now)
		c.running = nil
	}
	for len(c.queue) > 0 {
		switch {
		case c.drops(now):
			c.queue = c.queue[1:]
			c.tally.refused++
		case c.running != nil || c.holds(now):
			return
		default:
			c.release(now)
		}
	}
}

func (c *cork) drops(now int64) bool {
	n, first := float64(len(c.queue)), float64(now-c.queue[0])
	return n > 1 && first+c.slope*n+c.fixed >= c.deadline || c.running != nil && n == 1 && first >= c.deadline
}

func (c *cork) holds(now int64) bool {
	n, last := float64(len(c.queue)), float64(now-c.queue[len(c.queue)-1])
	return c.seen > corkTrained && len(c.queue) < c.model.size && n*(last+corkTick+c.slope) <= c.expected*corkDecay
}

func (c *cork) release(now int64) {
	size := min(len(c.queue), c.model.size)
	c.started, c.waited = now, float64(now-c.queue[0])
	if c.seen <= corkTrained {
		c.waited = 0
	}
	c.running, c.queue = c.queue[:size:size], c.queue[size:]
	c.end = now + c.model.took(c.seed, size, now, c.horizon)
}

func (c *cork) learn(now int64) {
	if c.seen++; c.seen <= corkSkipped {
		return
	}
	if c.samples = append(c.samples, sample{float64(len(c.running)), float64(c.end - c.started), c.waited}); len(c.samples) > corkKept {
		c.samples = c.samples[1:]
	}
	if c.seen > corkTrained && now-c.refreshed < corkRefresh {
		return
	}
	c.refreshed = now
	var n, t, nn, nt, w float64
	for _, s := range c.samples {
		n, t, nn, nt, w = n+s.n, t+s.took, nn+s.n*s.n, nt+s.n*s.took, w+s.wait
	}
	k := float64(len(c.samples))
	if d := k*nn - n*n; d > 1e-9 {
		c.slope = math.Max(1000, (k*nt-n*t)/d)
		c.fixed = math.Max(0, (t-c.slope*n)/k)
	} else { // all batches have one size: the solution of least norm
		mean := n / k
		c.slope = t / k * mean / (mean*mean + 1)
		c.fixed = c.slope / mean
	}
	c.expected = math.Max(0, w/k)
}
