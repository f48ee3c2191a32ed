package batcher

import "github.com/ekiben-serving/ekiben/batcher/internal/core"

// Reason says why a batch was sent to the function. Zero: nothing was sent.
type Reason uint8

// The reasons.
const (
	ReasonFull     Reason = Reason(core.Full)     // it could not be larger
	ReasonIdle     Reason = Reason(core.Ready)    // a worker was idle, and waiting would not lower the latency
	ReasonGap      Reason = Reason(core.Gap)      // it had waited for one more request, which did not come
	ReasonDeadline Reason = Reason(core.Deadline) // its oldest request could not wait longer
	ReasonDrain    Reason = Reason(core.Drain)    // the batcher drains and no longer waits
)

// String returns the reason as in the metrics, or "" for the zero Reason.
func (r Reason) String() string { return core.Reason(r).String() }

// Refusal says why a call got no result.
type Refusal uint8

// The refusals.
const (
	RefusalQueueFull Refusal = Refusal(core.QueueFull) // the queue has no room
	RefusalLate      Refusal = Refusal(core.Late)      // its results would come after its deadline
	RefusalTooMany   Refusal = Refusal(core.TooMany)   // it needs so many batches that it would be late even with an empty queue
	RefusalExpired   Refusal = Refusal(core.Expired)   // its deadline passed, or came too near, before all its items were sent
	RefusalClosed    Refusal = Refusal(core.Closed)    // the batcher is closed
	RefusalLeft      Refusal = Refusal(core.Left)      // its caller left, or its deadline passed while the function ran
	RefusalHanging   Refusal = Refusal(core.Hanging)   // the function hangs, see Batcher.Hanging
)

// String returns the refusal as in the metrics, or "" for the zero Refusal.
func (r Refusal) String() string { return core.Refusal(r).String() }
