package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
	"github.com/ekiben-serving/ekiben/internal/progress"
)

// loads are shares of model.capacity. If traffic varies, its peak has this load.
var loads = []float64{0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95}

// cell is a model with one traffic at one load, and the outcome of each policy.
type cell struct {
	model   model
	traffic traffic
	load    float64

	adaptive, idle, window2, window10, cork outcome
	best                                    outcome
	pair                                    string // the size and the wait of best
}

// seed makes the arrivals and the disturbances the same in every run.
const seed = 7

func (c *cell) arrivals(requests int) ([]int64, int64) {
	horizon := int64(float64(requests) / (c.load * c.model.capacity()))
	if c.model.stall > 0 {
		horizon *= 3 // a run needs many stalls, and they are rarer than requests
		if c.load >= 0.8 {
			horizon *= 4 // after a stall, it takes long until the queue is empty
		}
	}
	return c.traffic.make(rand.New(rand.NewPCG(seed, 1)), c.load*c.model.capacity(), horizon), horizon
}

// run simulates the policies: all if every is set, else adaptive and idle.
func (c *cell) run(requests int, every bool) {
	arrivals, horizon := c.arrivals(requests)
	with := func(cfg core.Config) outcome { return run(c.model, arrivals, horizon, seed, cfg, 0) }
	c.adaptive, c.idle = with(core.Config{}), with(core.Config{Policy: core.Idle})
	if !every {
		return
	}
	c.window2 = with(core.Config{Policy: core.Window, Window: 2 * ms})
	c.window10 = with(core.Config{Policy: core.Window, Window: 10 * ms})
	c.cork = runCork(c.model, arrivals, horizon, seed, 0)
	c.best, c.pair = hindsight(c.model, arrivals, horizon)
}

// hindsight tries pairs of a number of requests and a wait: a batch is sent with
// that many requests, or that long after its first one. It returns the pair with the
// lowest mean latency.
func hindsight(m model, arrivals []int64, horizon int64) (best outcome, pair string) {
	for _, enough := range []int{1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64} {
		if enough > m.size {
			break
		}
		for _, wait := range []float64{0.25, 0.5, 1, 2, 3, 4, 5, 7, 10, 20, 40} {
			if enough == 1 && wait > 0.25 {
				break // it never waits
			}
			hold := func(queued int, oldest int64) int64 {
				if queued >= enough {
					return 0
				}
				return oldest + int64(wait*ms)
			}
			o := run(m, arrivals, horizon, seed, core.Config{Policy: core.Held, Hold: hold}, 0)
			if best.served == 0 || o.mean < best.mean {
				best, pair = o, fmt.Sprintf("%d or %g ms", enough, wait)
			}
		}
	}
	return best, pair
}

// all runs every cell, as many at once as there are processors.
func all(requests int) []*cell {
	var cells []*cell
	for _, m := range models {
		for _, t := range traffics {
			for _, load := range loads {
				cells = append(cells, &cell{model: m, traffic: t, load: load})
			}
		}
	}
	next := make(chan *cell)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c := range next {
				c.run(requests, true)
			}
		})
	}
	line := progress.New(os.Stderr, len(cells))
	for _, c := range cells {
		line.Stepf("%s, %s, load %v", c.model.name, c.traffic.name, c.load)
		next <- c
	}
	close(next)
	workers.Wait()
	line.End()
	return cells
}

// overload is a model at three times its capacity, with a deadline of four full
// batches.
type overload struct {
	model          model
	adaptive, cork outcome
}

func overloads(requests int) []overload {
	var all []overload
	for _, m := range models {
		c := cell{model: m, traffic: traffics[0], load: 3}
		arrivals, horizon := c.arrivals(requests)
		deadline := 4 * m.full() * (1 + m.drift)
		all = append(all, overload{m, run(m, arrivals, horizon, seed, core.Config{}, deadline), runCork(m, arrivals, horizon, seed, deadline)})
	}
	return all
}
