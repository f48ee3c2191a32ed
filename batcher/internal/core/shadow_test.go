package core

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive serves arrivals by a rule, one event after the other, and returns the
// score that a shadow must have.
func naive(r rule, arrivals []int64, workers, most int, c *cost) (long score) {
	ends := make([]int64, workers)
	for len(arrivals) > 0 {
		slices.Sort(ends)
		// The batch is sent as soon as its rule allows it.
		at := max(arrivals[0], ends[0])
		var queued []int64
		for {
			queued = queued[:0]
			next := int64(math.MaxInt64)
			for _, a := range arrivals {
				if a <= at {
					queued = append(queued, a)
				} else {
					next = min(next, a)
				}
			}
			free := 0
			for _, end := range ends {
				if end <= at {
					free++
				}
			}
			until := queued[0] + int64(r.oldest*c.a)
			if r.latest > 0 {
				until = min(until, max(queued[len(queued)-1], ends[0])+int64(r.latest*c.a))
			}
			if len(queued) >= min(r.enough, most) || free > 1 || at >= until {
				break
			}
			for _, end := range ends {
				if end > at {
					next = min(next, end)
				}
			}
			at = min(next, until)
		}
		n := min(len(queued), most)
		end := at + int64(c.of(n))
		total := 0.0
		for _, a := range queued[:n] {
			total += float64(end - a)
		}
		long.add(total, float64(n), longMemory)
		ends[0] = end
		arrivals = arrivals[n:]
	}
	return long
}

// Shadows do what their rules say, with any number of workers.
func TestShadowsFollowTheirRules(t *testing.T) {
	c := &cost{a: 10 * ms, b: 1 * ms, seen: 10}
	for workers := 1; workers <= 3; workers++ {
		random := rand.New(rand.NewPCG(1, uint64(workers)))
		var arrivals []int64
		now := int64(1)
		for range 300 {
			now += int64(random.ExpFloat64() * 30 * ms)
			for range 1 + random.IntN(9) {
				now += int64(random.ExpFloat64() * 0.4 * ms)
				arrivals = append(arrivals, now)
			}
		}
		const most = 400 // a queue that is cut keeps averages only
		s := newShadows(24, workers)
		s.all = append(s.all, shadow{rule: rule{enough: most, oldest: 0.7, latest: 0.03}, ends: make([]int64, workers)})
		s.due = append(s.due, due{})
		for _, at := range arrivals {
			s.arrive(at, 1, most, c)
		}
		s.arrive(math.MaxInt64/2, 1, most, c) // all earlier requests have been sent by then
		for i := range s.all {
			want := naive(s.all[i].rule, arrivals, workers, most, c)
			if got := s.all[i].long.mean(); math.Abs(got-want.mean()) > 1e-6*want.mean() {
				t.Errorf("%d workers, %+v: %.4f ms, want %.4f", workers, s.all[i].rule, got/ms, want.mean()/ms)
			}
		}
	}
}

// After a full batch, the rule holds back the rest of the queue.
func TestShadowsHoldWhatRemains(t *testing.T) {
	c := &cost{a: 10 * ms, b: 1 * ms, seen: 10}
	s := &shadows{all: []shadow{{rule: rule{enough: 4, oldest: 5}, ends: make([]int64, 1)}}, due: make([]due, 1)}
	for range 4 {
		s.arrive(ms, 1, 4, c)
	}
	for range 6 { // while those four run
		s.arrive(2*ms, 1, 4, c)
	}
	s.arrive(1000*ms, 1, 4, c)
	// The first four take 14 ms, four more the next 14; two wait for 50 and take 12.
	want := ((4*14)*(1-4.0/longMemory)+4*(15+14-2))*(1-2.0/longMemory) + 2*(50+12)
	if got := s.all[0].long.total / ms; math.Abs(got-want) > 0.01 {
		t.Errorf("they waited %.2f ms in all, want %.2f", got, want)
	}
}

// A shadow that is far behind does not send all its batches at one arrival.
func TestShadowsDoNotCatchUpForEver(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	for i := range d.shadows.all {
		d.shadows.all[i].sent.size -= 100_000
		d.shadows.due[i] = due{}
	}
	before := d.shadows.all[1].ends[0]
	d.arrive(1e6*ms, 0)
	for i := range d.shadows.all {
		s := &d.shadows.all[i]
		if left := d.shadows.met.size - s.sent.size; left > 8 || s.ends[0]-before > 10_000*ms {
			t.Fatalf("shadow %d has %d left and is free at %d, %d before", i, left, s.ends[0], before)
		}
	}
}

// A score does not depend on how long the clock has run.
func TestScoresOfOldClocks(t *testing.T) {
	const years = 1 << 61
	young, old := bursty(t, Config{MaxSize: 8}), trained(t, Config{MaxSize: 8})
	old.now = years
	old.play(40, 4)
	a, b := young.shadows, old.shadows
	for i := range a.all {
		if x, y := a.all[i].long.mean(), b.all[i].long.mean(); x < 0.999*y || y < 0.999*x {
			t.Errorf("rule %+v: %.3f ms, and %.3f ms with an old clock", a.all[i].rule, x/ms, y/ms)
		}
	}
}

// Shadows count items: two lists of four fill a batch of eight.
func TestShadowsCountItems(t *testing.T) {
	d := trained(t, Config{MaxSize: 8})
	for range 40 {
		d.now += 1000 * ms
		var step Step
		for range 2 {
			d.now += ms
			if why, _ := d.Arrive(d.now, &Request{Items: 4}); why != Admitted {
				t.Fatal(why)
			}
			if step.Batch == nil {
				step = d.Next(d.now)
			}
		}
		for ; step.Batch != nil; step = d.Next(d.now) {
			d.now = ends(step.Batch)
			d.Done(d.now, step.Batch, false)
		}
	}
	d.now += 1000 * ms
	for i := range 2 {
		d.now += ms
		d.Arrive(d.now, &Request{Items: 4})
		if step := d.Next(d.now); (step.Batch != nil) != (i == 1) {
			t.Errorf("after list %d: %+v", i, step.Batch)
		}
	}
}
