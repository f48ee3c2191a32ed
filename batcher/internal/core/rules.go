package core

// rule says how long a batch that is not full is held back. The batch is sent when
// one of the conditions is true. Times are multiples of cost.a.
type rule struct {
	enough int     // the batch has this size
	oldest float64 // its oldest request has waited this long
	latest float64 // no request has arrived for this long; 0: ignored
}

// until returns when a batch below the size enough is sent.
func (r *rule) until(oldest, latest int64, c *cost) int64 {
	until := oldest + int64(r.oldest*c.a)
	if r.latest > 0 {
		until = min(until, latest+int64(r.latest*c.a))
	}
	return until
}

// The simulated rules: the sizes 2, 3, … with steps of a seventh, each with every
// wait, and the full size with every silence. Waits and silences are multiples of
// cost.a.
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
