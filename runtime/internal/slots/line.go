package slots

import (
	"time"

	"github.com/ekiben-serving/ekiben/internal/turns"
)

// Endpoint has the slots of one endpoint, beside those that all endpoints of its service share,
// and the requests that wait for them. The zero Endpoint has no limit of its own.
type Endpoint struct {
	Slots
	line line
}

// line has requests that wait for the same slots, in order. Its turns and its pace are those of
// these slots: what other endpoints admit says nothing about them. The lock of its queue guards it.
type line struct {
	waiting []*Waiter
	next    int // the first request that admit has still to try
	turns   turns.Turns
	pace
}

// lineOf returns the line in which a request waits: that of its endpoint, if this has a limit of
// its own, else the one for the slots of the service.
func (q *Queue) lineOf(w *Waiter) *line {
	if w.Endpoint != nil {
		if _, limit := w.Endpoint.Read(); limit > 0 {
			return &w.Endpoint.line
		}
	}
	return &q.shared
}

// pace estimates how fast a line moves: the mean time between two admissions. It begins anew
// when the line is empty: an estimate from an earlier, slower time could refuse every request,
// and would never be corrected.
type pace struct {
	last time.Time     // of the last admission; zero: none
	mean time.Duration // 0: unknown
}

// weight of the newest interval in the mean: 1/weight.
const weight = 8

func (p *pace) admitted() {
	now := time.Now()
	if !p.last.IsZero() {
		took := now.Sub(p.last)
		if p.mean == 0 {
			p.mean = took
		}
		p.mean += (took - p.mean) / weight
	}
	p.last = now
}

// after estimates how long it takes until so many requests were admitted; 0: unknown.
func (p *pace) after(requests int) time.Duration { return time.Duration(requests) * p.mean }
