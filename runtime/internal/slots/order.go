package slots

import (
	"cmp"
	"slices"
	"time"

	"github.com/ekiben-serving/ekiben/internal/turns"
)

// place returns the index at which a request is inserted into its line, and gives it its turn.
// q.mu is held.
func (q *Queue) place(w *Waiter) int {
	l := w.line
	l.turns.Give(&w.Rank, 1)
	at, _ := slices.BinarySearchFunc(l.waiting, w, func(one, other *Waiter) int {
		if order := one.Compare(other.Rank); order != 0 {
			return order
		}
		return q.arrival(one, other)
	})
	return at
}

// sort puts all requests that wait into their lines again, in the order that is in force. q.mu is
// held.
func (q *Queue) sort() {
	var all []*Waiter
	for _, l := range q.lines {
		all = append(all, l.waiting...)
		l.waiting, l.turns = nil, turns.Turns{}
	}
	slices.SortFunc(all, func(one, other *Waiter) int { return cmp.Compare(one.number, other.number) })
	before := q.lines
	q.lines = nil
	for _, w := range all {
		w.Rank = turns.Rank{Low: w.Low, Tenant: w.Tenant}
		q.insert(w)
	}
	for _, l := range before {
		if len(l.waiting) == 0 {
			l.pace = pace{}
		}
	}
}

// arrival orders two requests of the same rank by their deadlines or their arrival. It is below 0
// if one is before other.
func (q *Queue) arrival(one, other *Waiter) int {
	if q.byDeadline.Load() && !one.Deadline.Equal(other.Deadline) {
		switch {
		case one.Deadline.IsZero():
			return 1
		case other.Deadline.IsZero():
			return -1
		}
		return one.Deadline.Compare(other.Deadline)
	}
	return cmp.Compare(one.number, other.number)
}

// first returns the request that admit tries next: of the first ones of all lines, the one that is
// not low, and then the one with the nearest deadline or the earliest arrival. Turns do not count:
// those of two lines cannot be compared. nil: all were tried. q.mu is held.
func (q *Queue) first() (first *Waiter) {
	for _, l := range q.lines {
		if l.next == len(l.waiting) {
			continue
		}
		if w := l.waiting[l.next]; first == nil || q.before(w, first) {
			first = w
		}
	}
	return first
}

func (q *Queue) before(one, other *Waiter) bool {
	if one.Low != other.Low {
		return other.Low
	}
	return q.arrival(one, other) < 0
}

// owner is who has places in the queue: a tenant, with one priority.
type owner struct {
	low    bool
	tenant string
}

// places returns how many places the tenant of a request has. Requests without a tenant are one.
// q.mu is held.
func (q *Queue) places(w *Waiter) int { return q.owners[owner{w.Low, w.Tenant}] }

// count notes that a request has got its place, or with -1 has left it. q.mu is held.
func (q *Queue) count(w *Waiter, by int) {
	q.length.Add(int64(by))
	if q.owners == nil {
		q.owners = map[owner]int{}
	}
	one := owner{w.Low, w.Tenant}
	if q.owners[one] += by; q.owners[one] == 0 {
		delete(q.owners, one)
	}
}

// yielding returns the request whose place in a full queue w takes: the last low one, or the last
// one of the tenant that has the most places. nil: w outranks none. q.mu is held.
func (q *Queue) yielding(w *Waiter) *Waiter {
	last := w
	for _, l := range q.lines {
		for _, one := range l.waiting {
			if q.yields(one, last) {
				last = one
			}
		}
	}
	if last.Low == w.Low && q.places(last) == q.places(w) {
		return nil
	}
	return last
}

// yields reports whether one has less right to its place than other. q.mu is held.
func (q *Queue) yields(one, other *Waiter) bool {
	if one.Low != other.Low {
		return one.Low
	}
	if more := cmp.Compare(q.places(one), q.places(other)); more != 0 {
		return more > 0
	}
	return q.arrival(one, other) > 0
}

// dismiss refuses a request that waits. q.mu is held.
func (q *Queue) dismiss(w *Waiter) {
	w.refused, w.after = true, w.line.after(1)
	q.drop(w)
	close(w.ready)
}

// Refused reports whether another request took the place of this one, and when it may try
// again. Call it after Ready is closed.
func (w *Waiter) Refused() (refused bool, after time.Duration) { return w.refused, w.after }
