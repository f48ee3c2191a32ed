package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// traffic makes arrival times before horizon, at a rate per nanosecond.
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

// diurnal rises from a ninth of the rate to the rate, and falls again.
func diurnal(random *rand.Rand, rate float64, horizon int64) []int64 {
	return thinned(random, rate, horizon, func(x float64) float64 { return (1 - 0.8*math.Cos(2*math.Pi*x)) / 1.8 })
}

// step has a third of the rate in the first half, and the full rate in the second.
func step(random *rand.Rand, rate float64, horizon int64) []int64 {
	return thinned(random, rate, horizon, func(x float64) float64 {
		if x < 0.5 {
			return 1.0 / 3
		}
		return 1
	})
}

// thinned makes Poisson arrivals at a rate. It keeps each with the probability that
// keep returns for its time, scaled to 0 to 1 over the horizon.
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

// bursts makes groups of 20 requests within 4 ms, at Poisson times.
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
	slices.Sort(times)
	return times
}
