package main

import (
	"testing"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// The simulation is deterministic, so these are facts about the policy, not
// measurements: no traffic makes it worse than never waiting by more than a
// fiftieth, and bursts are answered in less than 0.85 of the time where a batch
// costs little more than an item.
func TestAdaptive(t *testing.T) {
	for _, m := range models {
		if m.noise > 0 {
			continue // luck decides small ones; docs/batching.md has large ones
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

// Under three times what can be done, what is admitted is answered in time, and
// nearly all of what could be done is done.
func TestOverload(t *testing.T) {
	for _, o := range overloads(20_000) {
		if o.adaptive.goodput < 0.95 || o.adaptive.goodput > 1 {
			t.Errorf("%s: goodput %.3f, %d late (CORK %.3f)", o.model.name, o.adaptive.goodput, o.adaptive.late, o.cork.goodput)
		}
	}
}

// What the simulator drives is what the batcher drives.
func TestRunAnswersEveryone(t *testing.T) {
	c := cell{model: models[0], traffic: traffics[1], load: 0.5}
	arrivals, horizon := c.arrivals(2000)
	if o := run(c.model, arrivals, horizon, seed, core.Config{}, 0); o.answered != len(arrivals) || o.refused != 0 {
		t.Errorf("%d of %d were answered", o.answered, len(arrivals))
	}
}
