package core

// shadows simulates a batcher for each rule. Each shadow gets the arrivals of the
// real batcher and holds its batches back by its rule. Its score is the mean latency
// that its requests would have if batches took as long as estimated. The real batcher
// follows the rule with the best score.
type shadows struct {
	all    []shadow // the first one never holds a batch back
	due    []due    // of each shadow
	best   int      // index of the shadow with the best long score
	met    counts   // all arrivals
	latest int64    // time of the last arrival
	chosen int64    // number of requests when best was chosen
	proof  bool     // best is not followed until its short score is good
}

// score is a mean latency with less weight for older requests.
type score struct{ total, weight float64 }

func (s *score) add(total, requests, memory float64) {
	keep := max(1-requests/memory, 0.5)
	s.total = keep*s.total + total
	s.weight = keep*s.weight + requests
}

func (s *score) mean() float64 { return s.total / s.weight }

// The long score of a shadow covers about longMemory requests. It compares the
// rules. The short score covers about shortMemory requests. It shows that the best
// rule is no longer good. patience notices the end of bursts even sooner.
const (
	longMemory  = 1024
	shortMemory = 128
)

const (
	// trusted is the number of requests after which scores are used.
	trusted = 32
	// promise: the batcher follows a rule if the rule's long score is at most this
	// share of the score without waiting. A smaller gain is noise.
	promise = 0.97
	// better: another rule replaces the best one if its long score is below this
	// share of the best one's.
	better = 0.995
	// broken: the batcher does not follow a rule while the rule's short score is
	// above this multiple of the score without waiting.
	broken = 1.03
	// review is the number of requests between two choices.
	review = 16
)

func newShadows(most, workers int) *shadows {
	s := &shadows{}
	for _, r := range rules(most) {
		s.all = append(s.all, shadow{rule: r, ends: make([]int64, workers)})
	}
	s.due = make([]due, len(s.all))
	return s
}

// arrive reports an arrival to the shadows.
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

// distrust resets the short scores after the traffic has changed. The best rule is
// followed again only when its new short score is good.
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
