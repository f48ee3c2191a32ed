package batcher

import "time"

// Observer has the functions that a batcher calls to report what happens: it
// records no metrics itself. A nil function is not called.
//
// They are called without locks, so they can call the batcher, and from many
// goroutines at once. A call of [Batcher.Do] can wait for them: they must not
// block.
type Observer struct {
	// Batched is called after each batch, before its callers have their results.
	// It is also called for a call without items, which counts as a batch of one
	// request and no items.
	Batched func(Batch)
	// Refused is called when calls end without a result. It is not called for a
	// call that the function failed, nor for one whose context had ended before
	// Do was called.
	Refused func(Refused)
}

// Batch describes a batch that has ended.
type Batch struct {
	// Requests that were merged, their Items, the Size of the items, and the
	// largest size allowed, MaxSize.
	Requests, Items, Size, MaxSize int
	Reason                         Reason
	// Worker that ran the batch, from 1; 0 for a call without items.
	Worker int
	// Queued is how long each request waited until its first items were sent. It
	// has the requests whose first items were in this batch and whose callers
	// were still there at its end. The slice is valid during the call of Batched
	// only.
	Queued []time.Duration
	// Compute is what the function took, Predicted what it was expected to take.
	// Predicted is 0 if there was no estimate yet, or if the function was called
	// several times to find the items that fail.
	Compute, Predicted time.Duration
	// Abandoned counts the items whose callers had left before the batch ended.
	// [Refused] counts those of callers who left later.
	Abandoned int
	// Failed reports that no item of the batch has a result.
	Failed bool
}

// Refused describes calls that ended without a result, all for one reason.
type Refused struct {
	Reason Refusal
	Calls  int
	// Abandoned counts the items of these calls that the function had computed
	// before, in vain.
	Abandoned int
}
