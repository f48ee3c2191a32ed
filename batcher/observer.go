package batcher

import "time"

// Observer is told what happens in a batcher, which itself knows no telemetry.
// Its methods are called without locks, from many goroutines at once, and must
// not block.
type Observer interface {
	// Batched is called after each batch, and for a call without items, which
	// is a batch of one request and no items.
	Batched(Batch)
	// Refused is told of calls that leave without a result for one reason, and how
	// many of their items the function had computed before, in vain. A call that
	// the function itself failed is none of them, nor is one whose context had
	// ended before it came.
	Refused(why Refusal, calls, computed int)
}

// Batch is what is to be known of a batch that has ended.
type Batch struct {
	// Requests that were merged, their Items, and the items' Size, of MaxSize.
	Requests, Items, Size, MaxSize int
	Reason                         Reason
	// Worker that ran it, from 1.
	Worker int
	// Queued is how long each request waited until its first items went, of those
	// whose first items were in this batch and who were still there at the end. It
	// holds during the call of Batched only.
	Queued []time.Duration
	// Compute is what the function took, Predicted what it was expected to
	// take; 0: nothing was known yet, or it was called several times, to find the
	// items to blame.
	Compute, Predicted time.Duration
	// Abandoned items were computed for callers who had left by the end of the
	// batch; see Observer.Refused for those who left later.
	Abandoned int
	// Failed is a batch of which no item has a result.
	Failed bool
}

// Reason is why a batch went.
type Reason uint8

// The reasons, in the order of package core. The zero Reason is that of a call
// of which nothing went.
const (
	ReasonFull     Reason = iota + 1 // it could not be larger
	ReasonIdle                       // a worker was idle, and waiting could not pay
	ReasonGap                        // it had waited for one more, which did not come
	ReasonDeadline                   // its oldest could not wait longer
	ReasonDrain                      // nothing more is waited for: see Hurry
)

// String returns the reason as the metrics have it.
func (r Reason) String() string {
	return [...]string{"", "full", "idle", "gap", "deadline", "drain"}[r]
}

// Refusal is why a call got no result.
type Refusal uint8

// The refusals, the first in the order of package core.
const (
	_                Refusal = iota
	RefusalQueueFull         // the queue has no room
	RefusalLate              // it would not have been answered by its deadline
	RefusalTooMany           // nor would it alone: its items fill too many batches
	RefusalExpired           // its deadline passed, or became too near, before all of it went
	RefusalClosed            // the batcher closes
	RefusalLeft              // its caller left, or its deadline passed while the function ran
)

// String returns the refusal as the metrics have it.
func (r Refusal) String() string {
	return [...]string{"", "queue_full", "late", "too_many", "expired", "closed", "left"}[r]
}

type nobody struct{}

func (nobody) Batched(Batch)             {}
func (nobody) Refused(Refusal, int, int) {}
