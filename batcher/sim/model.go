package main

import (
	"math"
	"math/rand/v2"
)

const ms = 1e6 // nanoseconds

// model is a function that takes a + b·n for a batch of n items.
type model struct {
	name  string
	a, b  float64 // milliseconds
	size  int     // items in a batch, at most
	noise float64 // relative standard deviation of the time of a batch
	drift float64 // relative increase of the time from start to end
	stall float64 // share of the time in which the model computes nothing
}

// stalls is the length of a stall, such as a garbage collection or a slow disk.
const stalls = 50 * ms

// capacity returns the items per nanosecond of full batches at the end, when the
// model is slowest.
func (m model) capacity() float64 {
	return float64(m.size) / (m.full() * (1 + m.drift)) * (1 - m.stall)
}

// possible returns the items that full batches compute in a run, with drift and
// stalls.
func (m model) possible(horizon int64) float64 {
	slower := 1.0 // harmonic mean over the run
	if m.drift > 0 {
		slower = m.drift / math.Log1p(m.drift)
	}
	return float64(m.size) / (m.full() * slower) * (1 - m.stall) * float64(horizon)
}

// full returns the time of a full batch at the start, in nanoseconds.
func (m model) full() float64 { return (m.a + m.b*float64(m.size)) * ms }

// took returns the time of a batch of n items that starts at now. Disturbances
// depend on the time only, so that they are the same for every policy.
func (m model) took(seed uint64, n int, now, horizon int64) int64 {
	t := (m.a + m.b*float64(n)) * ms
	t *= 1 + m.drift*float64(now)/float64(horizon)
	if m.noise > 0 {
		random := rand.New(rand.NewPCG(seed, uint64(now/(5*ms))))
		t *= math.Max(0.2, 1+m.noise*random.NormFloat64())
	}
	if m.stall > 0 {
		t += float64(m.stalled(seed, now, now+int64(t)))
	}
	return int64(t)
}

// stalled returns how much longer a batch from start to end takes because of stalls.
// Time is divided into intervals of equal length, each with one stall at a random
// place.
func (m model) stalled(seed uint64, start, end int64) (longer int64) {
	stretch := int64(stalls / m.stall)
	for k := start / stretch; k*stretch < end; k++ {
		random := rand.New(rand.NewPCG(seed, uint64(k)))
		from := k*stretch + int64(random.Float64()*float64(stretch-stalls))
		if until := from + stalls; from < end && until > start {
			longer += until - max(from, start)
			end += until - max(from, start)
		}
	}
	return longer
}

var models = []model{
	{name: "10 + 0.1·n, 32", a: 10, b: 0.1, size: 32},
	{name: "2 + 1·n, 32", a: 2, b: 1, size: 32},
	{name: "10 + 2·n, 16", a: 10, b: 2, size: 16},
	{name: "50 + 0.5·n, 64", a: 50, b: 0.5, size: 64},
	{name: "10 + 0.5·n, 32, noise and drift", a: 10, b: 0.5, size: 32, noise: 0.15, drift: 0.5, stall: 0.04},
}
