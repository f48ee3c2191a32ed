package core

// queue has the waiting requests: first come, first served.
//
// The core asks it only for the first request and for the totals. So priorities
// (push inserts before others) or groups by key (one queue for each key, taking
// turns) could be added here. Estimates of deadlines count all queued items as
// ahead of a new request; push would then have to return the number ahead.
type queue struct {
	requests []*Request
	head     int
	size     int
	items    int
	waiting  int // requests whose callers have not left
}

func (q *queue) push(r *Request) {
	r.queued = true
	q.requests = append(q.requests, r)
	q.size += r.remaining()
	q.items += r.Items
	q.waiting++
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
	q.requests[q.head].queued = false
	q.requests[q.head] = nil
	if q.head++; q.head == len(q.requests) {
		q.requests, q.head = q.requests[:0], 0
	} else if 2*q.head > len(q.requests) { // each request is moved at most once
		n := copy(q.requests, q.requests[q.head:])
		clear(q.requests[n:])
		q.requests, q.head = q.requests[:n], 0
	}
}

// forget subtracts r's remaining items from the totals.
func (q *queue) forget(r *Request) {
	q.size -= r.remaining()
	q.items -= r.Items - r.taken
	q.waiting--
}

// take subtracts the next item of the first request, r, from the totals.
func (q *queue) take(r *Request) {
	q.size -= r.size(r.taken)
	q.items--
	r.taken++
}

// all calls visit with each request whose caller has not left, until visit
// returns false.
func (q *queue) all(visit func(*Request) bool) {
	for _, r := range q.requests[q.head:] {
		if !r.left && !visit(r) {
			return
		}
	}
}
