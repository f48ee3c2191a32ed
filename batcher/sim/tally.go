package main

// tally counts the requests of a run.
type tally struct {
	deadline float64 // nanoseconds; 0: none
	horizon  int64
	served   int
	total    int64 // sum of latencies
	refused  int
	late     int
	good     int // in time, and before the horizon
}

// serve counts a request that has its result.
func (t *tally) serve(now, arrived int64) {
	latency := now - arrived
	t.served++
	t.total += latency
	switch {
	case t.deadline > 0 && float64(latency) > t.deadline:
		t.late++
	case now <= t.horizon:
		t.good++
	}
}

// outcome is the result of a run.
type outcome struct {
	mean    float64 // latency of the requests that were served, in milliseconds
	served  int
	refused int
	late    int     // served after the deadline
	goodput float64 // served in time, as a share of what full batches could serve
}

func (t *tally) result(m model) outcome {
	o := outcome{served: t.served, refused: t.refused, late: t.late}
	if o.served == 0 {
		return o
	}
	o.mean = float64(t.total) / float64(o.served) / ms
	o.goodput = float64(t.good) / m.possible(t.horizon)
	return o
}
