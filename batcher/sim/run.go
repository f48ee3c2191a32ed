package main

import (
	"math"
	"slices"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

func sortTimes(times []int64) { slices.Sort(times) }

// outcome is what came of a run.
type outcome struct {
	mean, p99 float64 // latency of what was answered, in milliseconds
	answered  int
	refused   int
	late      int     // answered after the deadline
	goodput   float64 // answered in time and before the end, as a share of what full batches could do
	batch     float64 // mean size
}

// run drives the batcher's own core through arrivals, with one worker. Requests
// carry one item and, unless it is 0, a deadline.
func run(m model, arrivals []int64, horizon int64, seed uint64, cfg core.Config, deadline float64) outcome {
	cfg.MaxSize, cfg.Workers, cfg.MaxLatency = m.size, 1, deadline
	c := core.New(cfg)
	o := &tally{deadline: deadline, horizon: horizon}
	var running *core.Batch
	var end, again int64
	requests := make([]core.Request, len(arrivals))
	for next := 0; next < len(arrivals) || running != nil || again > 0; {
		now := int64(math.MaxInt64)
		if next < len(arrivals) {
			now = arrivals[next]
		}
		if running != nil {
			now = min(now, end)
		}
		if again > 0 {
			now = min(now, again)
		}
		if running != nil && end == now {
			c.Done(now, running, false)
			for _, p := range running.Parts {
				o.answer(now, p.Request.Arrived)
			}
			running = nil
		} else if next < len(arrivals) && arrivals[next] == now {
			r := &requests[next]
			r.Items = 1
			if why, _ := c.Arrive(now, r); why != core.Admitted {
				o.refused++
			}
			next++
		}
		again = 0
		for {
			s := c.Next(now)
			o.refused += len(s.Expired)
			if s.Batch == nil {
				if s.Again > now {
					again = s.Again
				}
				break
			}
			o.went(s.Batch.Size)
			running, end = s.Batch, now+m.took(seed, s.Batch.Size, now, horizon)
		}
	}
	return o.result(m)
}

// tally counts what happens in a run.
type tally struct {
	deadline  float64
	horizon   int64
	latencies []int64
	refused   int
	late      int
	good      int
	batches   int
	items     int
}

func (t *tally) answer(now, arrived int64) {
	latency := now - arrived
	t.latencies = append(t.latencies, latency)
	switch {
	case t.deadline > 0 && float64(latency) > t.deadline:
		t.late++
	case now <= t.horizon:
		t.good++
	}
}

func (t *tally) went(size int) {
	t.batches++
	t.items += size
}

func (t *tally) result(m model) outcome {
	o := outcome{answered: len(t.latencies), refused: t.refused, late: t.late}
	if o.answered == 0 {
		return o
	}
	total := 0.0
	for _, l := range t.latencies {
		total += float64(l)
	}
	slices.Sort(t.latencies)
	o.mean = total / float64(o.answered) / ms
	o.p99 = float64(t.latencies[len(t.latencies)*99/100]) / ms
	o.goodput = float64(t.good) / m.possible(t.horizon)
	o.batch = float64(t.items) / float64(max(t.batches, 1))
	return o
}
