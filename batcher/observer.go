package batcher

import "time"

// Observer has functions that a batcher calls to report events, for example to
// record metrics. A nil function is not called.
//
// The functions are called from many goroutines at once, and without locks, so that
// they can call the batcher. They must not block, because calls of [Batcher.Do]
// wait for them.
type Observer struct {
	// Batched is called after each batch, before its callers get their results. It
	// is also called for a call without items, which counts as a batch of one
	// request and no items.
	Batched func(Batch)
	// Refused is called when calls end without a result. It is not called for calls
	// that failed with an error of the function, or whose context had ended before
	// Do was called.
	Refused func(Refused)
}

// Batch describes a batch that has ended.
type Batch struct {
	// Requests is the number of merged calls, Items the number of their items, Size
	// the sum of the items' sizes, and MaxSize its limit.
	Requests, Items, Size, MaxSize int
	Reason                         Reason
	// Worker is the number of the worker that ran the batch, from 1; 0 for a call
	// without items.
	Worker int
	// Queued has the time that each request waited until its first items were sent.
	// It includes only requests whose first items were in this batch and whose
	// callers had not left when it ended. The slice is valid only during the call
	// of Batched.
	Queued []time.Duration
	// Compute is the time that the function took, Predicted the expected time.
	// Predicted is 0 if there was no estimate yet, or if the function was called
	// several times to find the items that fail.
	Compute, Predicted time.Duration
	// Abandoned is the number of items whose callers had left before the batch
	// ended. Refused counts the items of callers who left later.
	Abandoned int
	// Failed reports that no item of the batch has a result.
	Failed bool
}

// Refused describes calls that ended without a result, all for one reason.
type Refused struct {
	Reason Refusal
	Calls  int
	// Abandoned is the number of items of these calls that the function had already
	// computed, in vain.
	Abandoned int
}
