package main

import (
	"math"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// simulation drives the batcher's core with a simulated clock and one worker.
type simulation struct {
	model   model
	horizon int64
	seed    uint64
	core    *core.Core
	tally   *tally
	running *core.Batch // nil: the worker is idle
	end     int64       // when running ends
	again   int64       // when Next must be called again; 0: no call is needed
}

// run serves requests of one item each. arrivals has their times. deadline is in
// nanoseconds after the arrival; 0: none.
func run(m model, arrivals []int64, horizon int64, seed uint64, cfg core.Config, deadline float64) outcome {
	cfg.MaxSize, cfg.Workers, cfg.MaxLatency = m.size, 1, deadline
	s := &simulation{model: m, horizon: horizon, seed: seed, core: core.New(cfg), tally: &tally{deadline: deadline, horizon: horizon}}
	requests := make([]core.Request, len(arrivals))
	for next := 0; next < len(arrivals) || s.running != nil || s.again > 0; {
		now := s.next()
		if next < len(arrivals) {
			now = min(now, arrivals[next])
		}
		switch {
		case s.running != nil && s.end == now:
			s.finish(now)
		case next < len(arrivals) && arrivals[next] == now:
			s.arrive(now, &requests[next])
			next++
		}
		s.advance(now)
	}
	return s.tally.result(m)
}

// next returns the time of the next event if no request arrives.
func (s *simulation) next() int64 {
	next := int64(math.MaxInt64)
	if s.running != nil {
		next = s.end
	}
	if s.again > 0 {
		next = min(next, s.again)
	}
	return next
}

func (s *simulation) finish(now int64) {
	s.core.Done(now, s.running, false)
	for _, p := range s.running.Parts {
		s.tally.serve(now, p.Request.Arrived)
	}
	s.running = nil
}

func (s *simulation) arrive(now int64, r *core.Request) {
	r.Items = 1
	if why, _ := s.core.Arrive(now, r); why != core.Admitted {
		s.tally.refused++
	}
}

// advance carries out the decisions of the core.
func (s *simulation) advance(now int64) {
	s.again = 0
	for {
		step := s.core.Next(now)
		s.tally.refused += len(step.Expired)
		if step.Batch == nil {
			if step.Again > now {
				s.again = step.Again
			}
			return
		}
		s.running, s.end = step.Batch, now+s.model.took(s.seed, step.Batch.Size, now, s.horizon)
	}
}
