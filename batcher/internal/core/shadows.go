package core

import "math"

// shadows simulates a batcher for each rule. All see the arrivals that the real
// batcher sees. Each holds its batches back by its rule, and has a score: the mean
// latency of its requests, if batches take as long as the core estimates. The real
// batcher follows the rule with the best score.
type shadows struct {
	all    []shadow // the first one never holds a batch back
	due    []due    // of each shadow
	best   int      // index of the shadow with the best long score
	met    counts   // all arrivals
	latest int64    // time of the last arrival
	chosen int64    // number of requests when best was chosen
	proof  bool     // best must first prove itself by its short score
}

// due says which arrivals a shadow can skip: those before a time, unless the total
// size that has arrived reaches a limit.
type due struct {
	at   int64 // 0: it can skip none
	size int
}

// counts has totals of arrivals.
type counts struct {
	size     int
	requests int64
	times    int64 // sum of the times; differences are right even if it overflows
}

// rule says how long a batch that is not full is held back. It is sent when one of
// these holds. Times are shares of cost.a.
type rule struct {
	enough int     // it has this size
	oldest float64 // its oldest request has waited for this time
	latest float64 // nothing has come for this time; 0: ignored
}

// until returns when a batch is sent that does not reach enough.
func (r *rule) until(oldest, latest int64, c *cost) int64 {
	until := oldest + int64(r.oldest*c.a)
	if r.latest > 0 {
		until = min(until, latest+int64(r.latest*c.a))
	}
	return until
}

// shadow simulates a batcher with one rule. Its queue is the difference between
// the totals that have arrived and those that it has sent.
type shadow struct {
	rule
	ends  []int64 // when its workers become idle, in order
	sent  counts
	first int64 // time of the first arrival in its queue
	goes  int64 // when it sends the next batch if nothing more comes; 0: nothing is queued
	long  score
	short score
}

// score is a mean latency with less weight for older requests.
type score struct{ total, weight float64 }

func (s *score) add(total, requests, memory float64) {
	keep := max(1-requests/memory, 0.5)
	s.total = keep*s.total + total
	s.weight = keep*s.weight + requests
}

func (s *score) mean() float64 { return s.total / s.weight }

// The long score of a shadow is over about longMemory requests and compares the
// rules. The short score is over about shortMemory requests and shows that the best
// rule is no longer good. The end of bursts is noticed even sooner, see patience.
const (
	longMemory  = 1024
	shortMemory = 128
)

const (
	// trusted is the number of requests before scores count.
	trusted = 32
	// promise: a rule is followed if its long score is at most this share of the
	// score without waiting. A smaller gain is noise.
	promise = 0.97
	// better: another rule replaces the best one if its long score is below this
	// share of the best one's.
	better = 0.995
	// broken: a rule is not followed while its short score is above this multiple
	// of the score without waiting.
	broken = 1.03
	// review is the number of requests between two choices.
	review = 16
)

// mostSent is how many batches a shadow sends at one arrival. A shadow that is
// further behind is too slow for the traffic, and would fall behind for ever.
const mostSent = 32

// The rules that are simulated have the sizes 2, 3, … with steps of a seventh, each
// with every wait, and the full size with every silence. Waits and silences are
// shares of cost.a.
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

// arrive tells the shadows of an arrival.
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

// arrive advances a shadow to the time of an arrival, and returns which arrivals it
// can skip.
func (s *shadow) arrive(now, latest int64, before, after *counts, most int, c *cost) due {
	for sent := 0; s.goes != 0 && s.goes <= now; sent++ {
		if sent == mostSent { // drop its queue
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
		return due{} // every arrival changes the time of its next batch
	case size >= s.enough:
		return due{s.goes, math.MaxInt}
	}
	return due{s.goes, s.sent.size + s.enough}
}

// next returns when a batch of the given size is sent, not before now.
func (s *shadow) next(now, latest int64, size, most int, c *cost) int64 {
	ready := max(now, s.ends[0])
	if size >= min(s.enough, most) {
		return ready
	}
	held := s.until(s.first, max(latest, s.ends[0]), c)
	if len(s.ends) > 1 {
		// With more idle workers, later requests need not wait for this batch.
		held = min(held, s.ends[1])
	}
	return max(ready, held)
}

// send sends the next batch. A shadow does not know the requests in its queue: if
// it sends a part of the queue, it assumes average arrivals.
func (s *shadow) send(met *counts, latest int64, most int, c *cost) {
	queued, requests := met.size-s.sent.size, met.requests-s.sent.requests
	n := min(queued, most)
	end := s.goes + int64(c.of(n))
	share := float64(n) / float64(queued)
	after := met.times - s.sent.times - requests*s.first // sum of the times since the first
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

// busy makes the worker that is idle first busy until end.
func (s *shadow) busy(end int64) {
	i := 1
	for ; i < len(s.ends) && s.ends[i] < end; i++ {
		s.ends[i-1] = s.ends[i]
	}
	s.ends[i-1] = end
}

// distrust resets the short scores, after the traffic has changed. The best rule is
// followed again only when its new short score proves it.
func (s *shadows) distrust() {
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
