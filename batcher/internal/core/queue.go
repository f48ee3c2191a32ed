package core

// queue is what waits, first come, first served.
//
// It is the seam for what is not built yet: all that the core asks of it is who
// is first and how much there is. With priorities, push would put a request
// before others; with groups by key, there would be a queue for each, and first
// would be of the group whose turn it is. A deadline that is estimated counts
// what is ahead, which is what push would then tell.
type queue struct {
	requests []*Request
	head     int
	size     int
	items    int
	waiting  int // requests whose callers are there
}

func (q *queue) push(r *Request) {
	r.queued = true
	q.requests = append(q.requests, r)
	q.size += r.remaining()
	q.items += r.Items
	q.waiting++
}

// first returns whose turn it is, callers who have left included; nil: nobody's.
func (q *queue) first() *Request {
	if q.head == len(q.requests) {
		return nil
	}
	return q.requests[q.head]
}

// pop removes the first, of which nothing remains.
func (q *queue) pop() {
	q.requests[q.head].queued = false
	q.requests[q.head] = nil
	if q.head++; q.head == len(q.requests) {
		q.requests, q.head = q.requests[:0], 0
	} else if 2*q.head > len(q.requests) { // which costs each of them one move
		n := copy(q.requests, q.requests[q.head:])
		clear(q.requests[n:])
		q.requests, q.head = q.requests[:n], 0
	}
}

// forget makes nothing of r remain.
func (q *queue) forget(r *Request) {
	q.size -= r.remaining()
	q.items -= r.Items - r.taken
	q.waiting--
}

// take notes that the next item of the first has gone.
func (q *queue) take(r *Request) {
	q.size -= r.size(r.taken)
	q.items--
	r.taken++
}

// all calls visit with everyone who is there, until it returns false.
func (q *queue) all(visit func(*Request) bool) {
	for _, r := range q.requests[q.head:] {
		if !r.left && !visit(r) {
			return
		}
	}
}
