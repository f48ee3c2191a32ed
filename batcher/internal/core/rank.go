package core

import (
	"math"
	"slices"
)

// Requests with ranks do not wait in the order of their arrival. Then the first one is neither the
// oldest nor the one with the nearest deadline, and a new one may come before others: the core
// looks at all of them. Without ranks it looks at the first one only.

func (r *Request) ranked() bool { return r.Rank.Low || r.Rank.Tenant != "" }

// place returns the index at which a request is inserted, and gives it its turn. Items of a request
// that has begun stay the first ones.
func (q *queue) place(r *Request, size int) int {
	q.turns.Give(&r.Rank, size)
	if n := len(q.requests); n == q.head || q.requests[n-1].Rank.Compare(r.Rank) <= 0 {
		return n
	}
	from := q.head
	if first := q.first(); first != nil && first.taken > 0 {
		from++
	}
	behind, _ := slices.BinarySearchFunc(q.requests[from:], r, func(one, other *Request) int {
		if one.Rank.Compare(other.Rank) <= 0 {
			return -1 // behind its equals
		}
		return 1
	})
	return from + behind
}

// ahead returns the size of the items before an index, and the number of requests.
func (q *queue) ahead(at int) (size, requests int) {
	if at == len(q.requests) {
		return q.size, q.waiting
	}
	for _, r := range q.requests[q.head:at] {
		if !r.left {
			size += r.remaining()
			requests++
		}
	}
	return size, requests
}

// yielding returns how many of the last requests must leave a full queue so that r, which is
// inserted before them, finds room for size. If they are not enough, it returns 0.
func (q *queue) yielding(at int, r *Request, size int) (last int) {
	for _, one := range slices.Backward(q.requests[at:]) {
		if one.taken > 0 || r.Rank.Compare(one.Rank) >= 0 {
			return 0
		}
		last++
		if !one.left {
			size -= one.remaining()
		}
		if size <= 0 {
			return last
		}
	}
	return 0
}

// dismiss removes the last requests and returns those whose callers have not left.
func (q *queue) dismiss(last int) (dismissed []*Request) {
	rest := q.requests[len(q.requests)-last:]
	for _, r := range rest {
		if !r.left {
			q.forget(r)
			r.left, r.Why = true, QueueFull
			dismissed = append(dismissed, r)
		}
		q.removed(r)
	}
	clear(rest)
	q.requests = q.requests[:len(q.requests)-last]
	return dismissed
}

// oldest returns the earliest arrival. The queue is not empty.
func (q *queue) oldest() int64 {
	if q.ranked == 0 {
		return q.first().Arrived
	}
	oldest := int64(math.MaxInt64)
	q.all(func(r *Request) bool { oldest = min(oldest, r.Arrived); return true })
	return oldest
}

// deadline returns the next deadline at which a request must be looked at; 0: none. The queue is
// not empty.
func (q *queue) deadline() (next int64) {
	if q.ranked == 0 {
		return q.first().Deadline
	}
	q.all(func(r *Request) bool {
		if r.Deadline > 0 && (next == 0 || r.Deadline < next) {
			next = r.Deadline
		}
		return true
	})
	return next
}
