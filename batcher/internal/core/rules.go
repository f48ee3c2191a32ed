package core

// rule says how long a batch that is not full is held back. The batch is sent when
// one of the conditions is true. Times are multiples of cost.a.
type rule struct {
	enough int     // the batch has this size
	oldest float64 // the oldest request of the batch has waited this long
	latest float64 // no request has arrived for this long; 0: this is no condition
}

// until returns when a batch that is smaller than enough is sent. oldest is when its
// first request arrived. latest is when its last one arrived, or when the worker became
// idle if that was later.
func (r *rule) until(oldest, latest int64, c *cost) int64 {
	until := oldest + int64(r.oldest*c.a)
	if r.latest > 0 {
		until = min(until, latest+int64(r.latest*c.a))
	}
	return until
}

// The waits and silences of the simulated rules, as multiples of cost.a.
var (
	waits    = []float64{1.0 / 8, 1.0 / 4, 1.0 / 2, 1, 2}
	silences = []float64{1.0 / 64, 1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2}
)

// rules returns the simulated rules. The first one never holds a batch back. Then
// come the rules that end a wait after a silence, one for each silence. The others
// have every pair of a size and a wait. The sizes are 2, 3 and so on, and the last one
// is most. From 14 on, each size is about a seventh larger than the one before.
func rules(most int) []rule {
	all := []rule{{enough: 1}}
	for _, silence := range silences {
		all = append(all, rule{enough: most, oldest: 1, latest: silence})
	}
	for enough := 2; ; enough += min(most-enough, max(1, enough/7)) { // which cannot overflow
		enough = min(enough, most)
		for _, wait := range waits {
			all = append(all, rule{enough: enough, oldest: wait})
		}
		if enough == most {
			return all
		}
	}
}
