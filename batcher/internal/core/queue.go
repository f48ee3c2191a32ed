package core

// queue has the waiting requests: first come, first served.
//
// The core uses only its first request and its totals. So it is the place for
// priorities and for groups by key. With priorities, push would put a request
// before those of lower priority. With groups, there would be a queue for each key,
// and they would take turns. The estimates would have to change too: they assume that
// a new request comes after all queued items.
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
	} else if 2*q.head > len(q.requests) { // the others move to the start of the slice, each at most once
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

// all calls visit for each request whose caller has not left. It stops when visit
// returns false.
func (q *queue) all(visit func(*Request) bool) {
	for _, r := range q.requests[q.head:] {
		if !r.left && !visit(r) {
			return
		}
	}
}
