package core

import "math"

// shadows are batchers on paper: each meets the arrivals that the real one
// meets, holds its batches back by a rule of its own, and is charged for what
// its requests would have waited, by what batches are known to cost. The rule
// of the one that does best is the one to follow.
type shadows struct {
	all    []shadow // the first one never holds a batch back
	due    []due    // of each, what it need not look before
	best   int
	met    counts
	latest int64 // arrival
	chosen int64 // after so many requests
	proof  bool  // rules must prove themselves by what has come since
}

// due is when a shadow has something to do: at a time, or when so much has
// arrived in all.
type due struct {
	at   int64 // 0: at the next arrival
	size int
}

// counts add up what has arrived.
type counts struct {
	size     int
	requests int64
	times    int64 // sum; differences of it are right even if it overflows
}

// rule is how long a batch that is not full is held back.
type rule struct {
	enough int     // it goes when it has this size,
	oldest float64 // or when its oldest has waited this long, as a share of cost.a,
	latest float64 // or, unless 0, when nothing has come for this long
}

// until is when a batch goes that never has enough.
func (r *rule) until(oldest, latest int64, c *cost) int64 {
	until := oldest + int64(r.oldest*c.a)
	if r.latest > 0 {
		until = min(until, latest+int64(r.latest*c.a))
	}
	return until
}

// shadow is one of them.
type shadow struct {
	rule
	ends  []int64 // when its workers will be free, in order
	sent  counts
	first int64 // arrival in its queue
	goes  int64 // when its next batch goes, if nothing more comes; 0: nothing is queued
	long  score
	short score
}

// score is a mean latency, in which the past fades.
type score struct{ total, weight float64 }

func (s *score) add(total, requests, memory float64) {
	keep := max(1-requests/memory, 0.5)
	s.total = keep*s.total + total
	s.weight = keep*s.weight + requests
}

func (s *score) mean() float64 { return s.total / s.weight }

// Scores remember about so many requests. By the long memory rules are told
// from each other, by the short one it is noticed that the best has ceased to
// be good. That bursts gave way to single requests is noticed sooner: see
// patience.
const (
	longMemory  = 1024
	shortMemory = 128
)

const (
	// trusted is how many requests must have been met.
	trusted = 32
	// promise is what a rule must promise to take, as a share of what never
	// waiting takes: less is noise. better is the like, of the rule in force.
	promise = 0.97
	better  = 0.995
	// broken is when a promise is broken, of what never waiting took of late.
	broken = 1.03
	// review is after how many requests the choice is made again.
	review = 16
)

// mostSent is how many batches a shadow catches up on at an arrival. One that has
// more is charged more than the real batches take, and would fall behind for ever.
const mostSent = 32

// The rules that are tried. Waits and silences are shares of what a batch takes
// at least; sizes grow by a seventh, so that none is far from any.
var (
	waits    = []float64{1.0 / 8, 1.0 / 4, 1.0 / 2, 1, 2}
	silences = []float64{1.0 / 64, 1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2}
)

func rules(most int) []rule {
	all := []rule{{enough: 1}}
	for _, silence := range silences {
		all = append(all, rule{enough: most, oldest: 1, latest: silence})
	}
	for enough := 2; ; enough = max(enough+1, enough*8/7) {
		enough = min(enough, most)
		for _, wait := range waits {
			all = append(all, rule{enough: enough, oldest: wait})
		}
		if enough == most {
			return all
		}
	}
}

func newShadows(most, workers int) *shadows {
	s := &shadows{}
	for _, r := range rules(most) {
		s.all = append(s.all, shadow{rule: r, ends: make([]int64, workers)})
	}
	s.due = make([]due, len(s.all))
	return s
}

// arrive lets all of them meet an arrival.
func (s *shadows) arrive(now int64, size, most int, c *cost) {
	before := s.met
	s.met = counts{before.size + size, before.requests + 1, before.times + now}
	for i := range s.due {
		if d := &s.due[i]; now >= d.at || s.met.size >= d.size {
			*d = s.all[i].arrive(now, s.latest, &before, &s.met, most, c)
		}
	}
	s.latest = now
}

// arrive brings a shadow up to now, when something arrives, and says when it
// has something to do again.
func (s *shadow) arrive(now, latest int64, before, after *counts, most int, c *cost) due {
	for sent := 0; s.goes != 0 && s.goes <= now; sent++ {
		if sent == mostSent { // so far behind it is no measure of anything
			s.sent, s.goes = *before, 0
			break
		}
		s.send(before, latest, most, c)
	}
	if s.goes == 0 {
		s.first = now
	}
	size := after.size - s.sent.size
	s.goes = s.next(now, now, size, most, c)
	switch {
	case s.latest > 0:
		return due{} // every arrival puts it off
	case size >= s.enough:
		return due{s.goes, math.MaxInt}
	}
	return due{s.goes, s.sent.size + s.enough}
}

// next is when a batch of a size goes that can go from now on.
func (s *shadow) next(now, latest int64, size, most int, c *cost) int64 {
	ready := max(now, s.ends[0])
	if size >= min(s.enough, most) {
		return ready
	}
	held := s.until(s.first, max(latest, s.ends[0]), c)
	if len(s.ends) > 1 {
		// With another worker free, the next one need not wait for this batch.
		held = min(held, s.ends[1])
	}
	return max(ready, held)
}

// send sends the next batch of what has been met. Which requests a part of the
// queue was is not known to it; it takes the average.
func (s *shadow) send(met *counts, latest int64, most int, c *cost) {
	queued, requests := met.size-s.sent.size, met.requests-s.sent.requests
	n := min(queued, most)
	end := s.goes + int64(c.of(n))
	share := float64(n) / float64(queued)
	after := met.times - s.sent.times - requests*s.first // the sum of how much later than the first they came
	gone, late := int64(math.Round(share*float64(requests))), int64(share*float64(after))
	total := float64(gone*(end-s.first) - late)
	s.long.add(total, float64(gone), longMemory)
	s.short.add(total, float64(gone), shortMemory)
	s.sent = counts{s.sent.size + n, s.sent.requests + gone, s.sent.times + gone*s.first + late}
	s.first = latest
	s.busy(end)
	if s.goes = 0; n < queued {
		s.goes = s.next(s.ends[0], latest, queued-n, most, c)
	}
}

// busy makes the worker that is free first busy until end.
func (s *shadow) busy(end int64) {
	i := 1
	for ; i < len(s.ends) && s.ends[i] < end; i++ {
		s.ends[i-1] = s.ends[i]
	}
	s.ends[i-1] = end
}

// disappoint forgets of all what was of late, which was not like what comes now.
func (s *shadows) disappoint() {
	for i := range s.all {
		s.all[i].short = score{}
	}
	s.proof = true
}

// choose returns the rule to follow.
func (s *shadows) choose() *rule {
	idle := &s.all[0]
	if s.met.requests < trusted || idle.long.weight == 0 {
		return &idle.rule
	}
	if n := s.met.requests; n >= s.chosen+review {
		s.chosen = n
		mean := s.all[s.best].long.mean() * better
		for i := range s.all {
			if m := s.all[i].long.mean(); m < mean {
				s.best, mean = i, m
			}
		}
	}
	best := &s.all[s.best]
	if s.proof {
		if best.short.weight < trusted || !(best.short.mean() <= promise*idle.short.mean()) {
			return &idle.rule
		}
		s.proof = false
	}
	if best.long.mean() > promise*idle.long.mean() || best.short.mean() > broken*idle.short.mean() {
		return &idle.rule
	}
	return &best.rule
}
