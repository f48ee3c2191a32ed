package core

import (
	"slices"

	"github.com/ekiben-serving/ekiben/internal/turns"
)

// queue has the waiting requests: first come, first served, or by their ranks (rank.go).
type queue struct {
	requests []*Request
	head     int
	size     int
	items    int
	waiting  int // requests whose callers have not left
	ranked   int // requests with a rank; 0: the order is that of the arrivals
	turns    turns.Turns
}

// insert adds a request at the index that place has returned.
func (q *queue) insert(at int, r *Request) {
	r.queued = true
	q.requests = slices.Insert(q.requests, at, r)
	q.size += r.remaining()
	q.items += r.Items
	q.waiting++
	if r.ranked() {
		q.ranked++
	}
	q.turns.Join(r.Rank)
}

// first returns the first request, whose caller may have left, or nil.
func (q *queue) first() *Request {
	if q.head == len(q.requests) {
		return nil
	}
	return q.requests[q.head]
}

// pop removes the first request. Its items must have been taken or forgotten.
func (q *queue) pop() {
	q.removed(q.requests[q.head])
	q.requests[q.head] = nil
	if q.head++; q.head == len(q.requests) {
		q.requests, q.head = q.requests[:0], 0
	} else if 2*q.head > len(q.requests) { // the others move to the start of the slice, each at most once
		n := copy(q.requests, q.requests[q.head:])
		clear(q.requests[n:])
		q.requests, q.head = q.requests[:n], 0
	}
}

// compact removes the requests whose callers have left, once they are more than the others. So they
// hold memory for as many requests as wait, at most, and each request moves a few times at most.
func (q *queue) compact() {
	if len(q.requests)-q.head <= 2*q.waiting {
		return
	}
	kept := slices.DeleteFunc(q.requests[q.head:], func(r *Request) bool {
		if r.left {
			q.removed(r)
		}
		return r.left
	})
	q.requests = q.requests[:q.head+len(kept)]
	if len(kept) == 0 {
		q.requests, q.head = q.requests[:0], 0
	}
}

// removed notes that r is not in requests any more.
func (q *queue) removed(r *Request) {
	r.queued = false
	if r.ranked() {
		q.ranked--
	}
}

// forget subtracts r's remaining items from the totals.
func (q *queue) forget(r *Request) {
	q.size -= r.remaining()
	q.items -= r.Items - r.taken
	q.waiting--
	if r.taken == 0 {
		q.turns.Leave(r.Rank)
	}
}

// take subtracts the next item of the first request, r, from the totals.
func (q *queue) take(r *Request) {
	q.size -= r.size(r.taken)
	q.items--
	r.taken++
}

// all calls visit for each request whose caller has not left. It stops when visit
// returns false.
func (q *queue) all(visit func(*Request) bool) {
	for _, r := range q.requests[q.head:] {
		if !r.left && !visit(r) {
			return
		}
	}
}
