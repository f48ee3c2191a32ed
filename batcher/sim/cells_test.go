package main

import (
	"testing"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// The mean latency of the adaptive policy is at most 1.02 times that of idle. With
// bursts it is at most 0.85 times that of idle if a batch takes little longer than
// an item. The simulation is deterministic.
func TestAdaptive(t *testing.T) {
	for _, m := range models {
		if m.noise > 0 {
			continue // a short run depends on chance; docs/batching-simulation.md has long ones
		}
		for _, traffic := range traffics {
			for _, load := range []float64{0.05, 0.35, 0.8} {
				c := cell{model: m, traffic: traffic, load: load}
				c.run(3000, false)
				ratio, limit := c.adaptive.mean/c.idle.mean, overIdle
				if traffic.name == "bursts" && load < 0.1 && m.b < m.a/20 {
					limit = bursty
				}
				if ratio > limit {
					t.Errorf("%s, %s, load %.2f: %.3f of idle", m.name, traffic.name, load, ratio)
				}
			}
		}
	}
}

// At three times the capacity, nearly as many requests are served in time as full
// batches could serve.
func TestOverload(t *testing.T) {
	for _, o := range overloads(20_000) {
		if o.adaptive.goodput < 0.95 || o.adaptive.goodput > 1 {
			t.Errorf("%s: goodput %.3f, %d late (CORK %.3f)", o.model.name, o.adaptive.goodput, o.adaptive.late, o.cork.goodput)
		}
	}
}

// Without a deadline every request is served.
func TestRunServesAll(t *testing.T) {
	c := cell{model: models[0], traffic: traffics[1], load: 0.5}
	arrivals, horizon := c.arrivals(2000)
	if o := run(c.model, arrivals, horizon, seed, core.Config{}, 0); o.served != len(arrivals) || o.refused != 0 {
		t.Errorf("%d of %d were served", o.served, len(arrivals))
	}
}
