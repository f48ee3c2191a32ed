package core

import (
	"math"
	"slices"
)

// kept is how many of the latest gaps between arrivals are remembered: a few
// bursts, and no more than what still tells of now.
const kept = 128

// gaps are the latest gaps between arrivals, in order of time and of length.
type gaps struct {
	recent [kept]float64 // a ring
	next   int
	sorted []float64
}

func (g *gaps) add(gap float64) {
	if g.sorted == nil {
		g.sorted = make([]float64, 0, kept)
	}
	if len(g.sorted) == kept {
		at, _ := slices.BinarySearch(g.sorted, g.recent[g.next])
		g.sorted = slices.Delete(g.sorted, at, at+1)
	}
	g.recent[g.next] = gap
	g.next = (g.next + 1) % kept
	at, _ := slices.BinarySearch(g.sorted, gap)
	g.sorted = slices.Insert(g.sorted, at, gap)
}

// fewest gaps from which anything is concluded.
const fewest = 12

// worthwhile returns how long after the latest arrival it pays to wait for one
// more, in nanoseconds; 0: it does not.
//
// n requests are queued, elapsed has passed since the latest arrival, and a
// batch takes a + b·n. One that arrives g from now, and is waited for, spares
// itself the wait for a whole batch, a + b·n − g; the n wait g longer, and all
// n+1 spend b more in a larger batch. If it does not come within the wait, the n
// have waited in vain. What gaps are to be expected is what gaps there were,
// those that are over already aside; the wait is the one with the largest gain
// over all of them.
func (g *gaps) worthwhile(n int, elapsed, a, b float64) float64 {
	if len(g.sorted) < fewest {
		return 0
	}
	first := 0 // at the very moment of an arrival, none of them is over
	if elapsed > 0 {
		first, _ = slices.BinarySearch(g.sorted, math.Nextafter(elapsed, math.Inf(1)))
	}
	longer := g.sorted[first:]
	size := float64(n)
	spared := a - b*size
	if len(longer) == 0 || spared <= worth*a {
		return 0
	}
	best, wait, caught := 0.0, 0.0, 0.0
	for i, gap := range longer {
		g := gap - elapsed
		caught += spared - (size+1)*g
		missed := float64(len(longer) - i - 1)
		if gain := caught - missed*size*g; gain > best {
			best, wait = gain, gap
		}
		if g > a {
			break // nobody waits longer than the batch itself takes
		}
	}
	if best <= margin*float64(len(longer))*spared {
		return 0
	}
	// A little more than the longest gap that is worth it: the one to come
	// should not miss the wait by a hair.
	return max(wait*slack, leastWait*a)
}

const (
	// margin is how much of all that could be gained a wait must promise: less is
	// noise. It is the least with which waiting costs Poisson arrivals nothing.
	margin = 0.2
	// worth is what a request must be spared, as a share of what a batch takes at
	// least: where items cost nearly as much as batches, those that come while a
	// larger batch runs lose what it gains.
	worth = 0.55
	slack = 1.1
	// leastWait is what a timer can be off, as a share of a batch that is worth
	// waiting for.
	leastWait = 0.005
)
