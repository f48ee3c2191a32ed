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
	goodput   float64 // answered in time, as a share of what full batches could do
	batch     float64 // mean size
}

// run drives the batcher's own core through arrivals, with one worker. Requests
// carry one item and, unless it is 0, a deadline.
func run(m model, arrivals []int64, horizon int64, seed uint64, cfg core.Config, deadline float64) outcome {
	cfg.MaxSize, cfg.Workers, cfg.MaxLatency = m.size, 1, deadline
	c := core.New(cfg)
	o := &tally{deadline: deadline}
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
				o.answer(now - p.Request.Arrived)
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
	return o.result(m, horizon)
}

// tally counts what happens in a run.
type tally struct {
	deadline  float64
	latencies []int64
	refused   int
	late      int
	batches   int
	items     int
}

func (t *tally) answer(latency int64) {
	t.latencies = append(t.latencies, latency)
	if t.deadline > 0 && float64(latency) > t.deadline {
		t.late++
	}
}

func (t *tally) went(size int) {
	t.batches++
	t.items += size
}

func (t *tally) result(m model, horizon int64) outcome {
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
	o.goodput = float64(o.answered-o.late) / (m.capacity() * float64(horizon))
	o.batch = float64(t.items) / float64(max(t.batches, 1))
	return o
}

// cork is BentoML's dispatcher, rewritten from what it does: it looks every
// millisecond; it lets go when n·(time since the last arrival + 1 ms + a) is
// more than 0.95 of the wait it has come to expect, which is the mean wait of
// the first of its last 50 batches; it drops the first of the queue when that
// would be late if the whole queue went now. Its a and b it learns by least
// squares, every five seconds.
func cork(m model, arrivals []int64, horizon int64, seed uint64, deadline float64) outcome {
	const tick, decay, kept, refresh = 1 * ms, 0.95, 50, 5000 * ms
	if deadline == 0 {
		deadline = 60_000 * ms // BentoML's default
	}
	o := &tally{deadline: deadline}
	slope, fixed, expected := math.Min(2e9, deadline*2/30), math.Min(1e9, deadline/30), 0.0
	type sample struct{ n, took, wait float64 }
	var samples []sample
	var queue, running []int64
	var end, refreshed int64
	seen := 0
	learn := func(now int64, n int, took, wait float64) {
		if seen++; seen <= 2 {
			return
		}
		if samples = append(samples, sample{float64(n), took, wait}); len(samples) > kept {
			samples = samples[1:]
		}
		if seen > 14 && now-refreshed < refresh { // trained over its first batches
			return
		}
		refreshed = now
		var sn, st, snn, snt, sw float64
		for _, s := range samples {
			sn, st, snn, snt, sw = sn+s.n, st+s.took, snn+s.n*s.n, snt+s.n*s.took, sw+s.wait
		}
		k := float64(len(samples))
		if d := k*snn - sn*sn; d > 1e-9 {
			slope = math.Max(1000, (k*snt-sn*st)/d)
			fixed = math.Max(0, (st-slope*sn)/k)
		} else { // least squares of least norm
			slope = st / k * sn / k / (sn/k*sn/k + 1)
			fixed = slope / (sn / k)
		}
		expected = math.Max(0, sw/k)
	}
	next, wait := 0, 0.0
	started := int64(0)
	for now := int64(0); next < len(arrivals) || len(queue) > 0 || running != nil; now += tick {
		if len(queue) == 0 && running == nil && arrivals[next] > now {
			now = arrivals[next] // an arrival wakes it
		}
		for next < len(arrivals) && arrivals[next] <= now {
			queue = append(queue, arrivals[next])
			next++
		}
		if running != nil && end <= now {
			for _, arrived := range running {
				o.answer(end - arrived)
			}
			learn(now, len(running), float64(end-started), wait)
			running = nil
		}
		for len(queue) > 0 {
			n := float64(len(queue))
			first, last := float64(now-queue[0]), float64(now-queue[len(queue)-1])
			if n > 1 && first+slope*n+fixed >= deadline || running != nil && n == 1 && first >= deadline {
				queue = queue[1:]
				o.refused++
				continue
			}
			if running != nil || seen > 14 && len(queue) < m.size && n*(last+tick+slope) <= expected*decay {
				break
			}
			size := min(len(queue), m.size)
			running, queue = queue[:size:size], queue[size:]
			wait, started = first, now
			if seen <= 14 {
				wait = 0
			}
			o.went(size)
			end = now + m.took(seed, size, now, horizon)
		}
	}
	return o.result(m, horizon)
}
