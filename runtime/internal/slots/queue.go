package slots

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/internal/turns"
)

// Queue holds requests that wait for slots of a service, in a line for each endpoint that has a
// limit of its own, and in one for all others. A line is in the order of ranks, and then of arrival
// or of deadlines. All lines together hold a bounded number of requests. The zero Queue holds none.
// A reload may change its limits while requests wait.
type Queue struct {
	most       atomic.Int64
	byDeadline atomic.Bool
	length     atomic.Int64

	mu      sync.Mutex
	shared  line    // for the slots of the service
	lines   []*line // those in which requests wait
	owners  map[owner]int
	arrived uint64
}

// Waiter is a request that waits.
type Waiter struct {
	// Acquire takes the slots of the request, or says which ones are taken.
	Acquire func() Outcome
	// Endpoint is that of the request; nil: one without a limit of its own.
	Endpoint *Endpoint
	// Deadline is when the response must be ready; zero: no deadline.
	Deadline time.Time
	turns.Rank

	line    *line  // nil: it does not wait
	number  uint64 // by arrival
	ready   chan struct{}
	refused bool
	after   time.Duration
}

// Outcome says what became of an attempt to take the slots of a request.
type Outcome int

// The outcomes.
const (
	Acquired    Outcome = iota
	OwnTaken            // the slots of its endpoint are taken; a request for another one may go
	SharedTaken         // the slots that all endpoints of the service need are taken
)

// Verdict says what became of a request that asked for a slot.
type Verdict int

// The verdicts.
const (
	Admitted Verdict = iota // it has its slots
	Waiting                 // it is in the queue; see Waiter.Ready
	Full                    // the queue has no place
	Late                    // its turn would come too late for its deadline
)

// Hold sets how many requests wait; 0: none. byDeadline: the one with the nearest deadline is
// next, else the one that came first. Call it after each change of slots or limits: it sorts and
// admits the requests that wait.
func (q *Queue) Hold(most int, byDeadline bool) {
	q.most.Store(int64(most))
	q.byDeadline.Store(byDeadline)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sort()
	q.admit()
}

// Length returns how many requests wait.
func (q *Queue) Length() int64 { return q.length.Load() }

// Enter admits a request if its slots are free and nobody is before it who could use them. Else
// the request waits, if it finds a place. after is when a request that is refused may try again;
// 0: unknown.
func (q *Queue) Enter(w *Waiter) (v Verdict, after time.Duration) {
	if q.length.Load() == 0 && w.Acquire() == Acquired {
		return Admitted, 0
	}
	if q.most.Load() == 0 && q.length.Load() == 0 {
		return Full, 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.arrived++
	w.number = q.arrived
	q.insert(w)
	q.count(w, 1)
	// Try the others too: a failed attempt, here or above, may have held a slot while they tried.
	q.admit()
	if w.line == nil {
		return Admitted, 0
	}
	if v, after = q.judge(w); v != Waiting {
		q.drop(w)
		return v, after
	}
	w.ready = make(chan struct{})
	return Waiting, 0
}

// judge says whether a request that is in its line may wait there. It makes room for it. q.mu is
// held.
func (q *Queue) judge(w *Waiter) (v Verdict, after time.Duration) {
	var last *Waiter
	full := q.length.Load() > q.most.Load()
	if full {
		if last = q.yielding(w); last == nil || q.most.Load() == 0 {
			return Full, w.line.after(1)
		}
	}
	if wait := w.line.after(slices.Index(w.line.waiting, w) + 1); !w.Deadline.IsZero() && wait > time.Until(w.Deadline) {
		return Late, wait
	}
	if full {
		q.dismiss(last)
	}
	return Waiting, 0
}

// Ready is closed when the request has its slots, or has lost its place, see Refused.
func (w *Waiter) Ready() <-chan struct{} { return w.ready }

// Leave takes a request out of the queue. It returns false if the request is not there any more,
// and Ready is closed.
func (q *Queue) Leave(w *Waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.line == nil {
		return false
	}
	q.drop(w)
	return true
}

// Released gives slots that were released to requests that wait. Call it after each release, also
// of slots that were taken in vain.
func (q *Queue) Released() {
	if q.length.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.admit()
}

// admit admits the first requests whose slots are free. It stops at the first one that lacks slots
// of the service: what is released meanwhile is for this one. q.mu is held.
func (q *Queue) admit() {
	for _, l := range q.lines {
		l.next = 0
	}
	for w := q.first(); w != nil; w = q.first() {
		l := w.line
		switch w.Acquire() {
		case Acquired:
			l.admitted()
			l.turns.Serve(w.Rank)
			q.remove(w)
			if w.ready != nil { // nil: it arrives just now
				close(w.ready)
			}
		case OwnTaken:
			if l.next++; l != &q.shared {
				l.next = len(l.waiting) // all need the same slots
			}
		default:
			return
		}
	}
}

// insert puts a request into its line. q.mu is held.
func (q *Queue) insert(w *Waiter) {
	w.line = q.lineOf(w)
	if len(w.line.waiting) == 0 {
		q.lines = append(q.lines, w.line)
	}
	at := q.place(w)
	w.line.waiting = slices.Insert(w.line.waiting, at, w)
	w.line.turns.Join(w.Rank)
}

// drop takes out a request that was not served. q.mu is held.
func (q *Queue) drop(w *Waiter) {
	w.line.turns.Leave(w.Rank)
	q.remove(w)
}

// remove takes a request out of its line. q.mu is held.
func (q *Queue) remove(w *Waiter) {
	l := w.line
	at := slices.Index(l.waiting, w)
	l.waiting = slices.Delete(l.waiting, at, at+1)
	w.line = nil
	q.count(w, -1)
	if len(l.waiting) > 0 {
		return
	}
	l.pace = pace{}
	q.lines = slices.DeleteFunc(q.lines, func(one *line) bool { return one == l })
}
