package main

import (
	"math"
	"math/rand/v2"
)

const ms = 1e6 // nanoseconds

// model is what a batch costs: a + b·n, at most size items at once.
type model struct {
	name  string
	a, b  float64 // milliseconds
	size  int
	noise float64 // relative standard deviation of what a batch takes
	drift float64 // how much slower it is at the end than at the start
	stall float64 // share of the time that it stands still
}

// stalls are this long: a garbage collection, a neighbour, a slow disk.
const stalls = 50 * ms

// capacity is items per nanosecond with full batches, when it is slowest.
func (m model) capacity() float64 {
	return float64(m.size) / (m.full() * (1 + m.drift)) * (1 - m.stall)
}

// possible is how many items full batches could do in a run, drift and stalls
// included.
func (m model) possible(horizon int64) float64 {
	slower := 1.0 // than at the start, harmonic mean
	if m.drift > 0 {
		slower = m.drift / math.Log1p(m.drift)
	}
	return float64(m.size) / (m.full() * slower) * (1 - m.stall) * float64(horizon)
}

// full is what a full batch takes, in nanoseconds.
func (m model) full() float64 { return (m.a + m.b*float64(m.size)) * ms }

// took is what one batch takes that starts at now of horizon. What disturbs it
// depends on the time alone, so that every policy meets the same disturbances.
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

// stalled is how much longer work takes that would run from start to end: there
// is one stall in every stretch of time that is as long as their share demands,
// anywhere in it.
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

// traffic makes arrival times up to horizon at a mean rate, per nanosecond.
type traffic struct {
	name string
	make func(random *rand.Rand, rate float64, horizon int64) []int64
}

var traffics = []traffic{
	{"poisson", poisson},
	{"bursts", bursts},
	{"diurnal", diurnal},
	{"step", step},
}

func poisson(random *rand.Rand, rate float64, horizon int64) []int64 {
	return thinned(random, rate, horizon, func(float64) float64 { return 1 })
}

// diurnal goes up to the rate and down again, from a ninth of it.
func diurnal(random *rand.Rand, rate float64, horizon int64) []int64 {
	return thinned(random, rate, horizon, func(x float64) float64 { return (1 - 0.8*math.Cos(2*math.Pi*x)) / 1.8 })
}

// step is a third of the rate, and from the middle on all of it.
func step(random *rand.Rand, rate float64, horizon int64) []int64 {
	return thinned(random, rate, horizon, func(x float64) float64 {
		if x < 0.5 {
			return 1.0 / 3
		}
		return 1
	})
}

// thinned is Poisson arrivals at a rate, of which each is kept with the
// probability that keep has for its place in the horizon.
func thinned(random *rand.Rand, rate float64, horizon int64, keep func(float64) float64) []int64 {
	var times []int64
	for t := 0.0; ; {
		t += random.ExpFloat64() / rate
		if t >= float64(horizon) {
			return times
		}
		if random.Float64() < keep(t/float64(horizon)) {
			times = append(times, int64(t))
		}
	}
}

// bursts are 20 requests within 4 ms, at Poisson times.
func bursts(random *rand.Rand, rate float64, horizon int64) []int64 {
	const each, within = 20, 4 * ms
	var times []int64
	for t := 0.0; ; {
		t += random.ExpFloat64() * each / rate
		if t >= float64(horizon) {
			break
		}
		for range each {
			times = append(times, int64(t+random.Float64()*within))
		}
	}
	sortTimes(times)
	return times
}
