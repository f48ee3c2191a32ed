package core

import "github.com/ekiben-serving/ekiben/internal/turns"

// Policy says when a batch that is not full is sent.
type Policy uint8

// The policies.
const (
	// Adaptive waits by the rule that would have been best for recent requests.
	Adaptive Policy = iota
	// Idle never waits: it sends what is queued as soon as a worker is idle.
	Idle
	// Window waits for a fixed time after the first arrival.
	Window
	// Held waits until the time that Config.Hold returns. The simulator uses it to
	// try policies in hindsight.
	Held
)

// Reason says why a batch was sent.
type Reason uint8

// The reasons.
const (
	Full     Reason = iota + 1 // it could not be larger
	Ready                      // a worker was idle, and waiting would not lower the latency
	Gap                        // it had waited for another request, which did not come
	Deadline                   // its oldest request could not wait longer
	Drain                      // the core no longer waits
)

// String returns the reason as in the metrics, or "" for 0.
func (r Reason) String() string {
	return name(int(r), "", "full", "idle", "gap", "deadline", "drain")
}

// Refusal says why a request was not admitted, or not served.
type Refusal uint8

// The refusals.
const (
	Admitted  Refusal = iota
	QueueFull         // the queue has no room for it
	Late              // its results would come after its deadline
	TooMany           // it needs so many batches that it would be late even with an empty queue
	Expired           // its deadline passed, or came too near, before all its items were sent
	Closed            // the core is closed
	Left              // its caller left; only the driver reports this
	Hanging           // the function hangs; only the driver reports this
)

// String returns the refusal as in the metrics, or "" for 0.
func (r Refusal) String() string {
	return name(int(r), "", "queue_full", "late", "too_many", "expired", "closed", "left", "hanging")
}

func name(i int, names ...string) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}

// Config has the limits and the policy. It can change while requests are queued.
type Config struct {
	Policy     Policy
	MaxSize    int     // of a batch
	Disabled   bool    // a batch has items of one request only, and never waits
	MaxQueue   int     // size; 0: no limit
	MaxLatency float64 // nanoseconds from arrival to results; 0: no limit
	Window     float64 // nanoseconds
	Workers    int     // batches at once
	// Hold returns the time until which Held waits, given the queued size and the
	// arrival of the oldest request.
	Hold func(queued int, oldest int64) int64
}

// Request is a caller's list of items.
type Request struct {
	// The driver sets these fields. Items is the number of items. Sizes has the size
	// of each, or is nil if each is 1; an item larger than MaxSize is a batch of its
	// own. Owner is not read by the core. Own is the time at which the caller stops
	// waiting, or 0. Rank says before whom the request is served.
	Items int
	Sizes []int
	Owner any
	Own   int64
	Rank  turns.Rank

	// The core sets the other fields. Deadline is the earlier of Own and the end of
	// MaxLatency, or 0 if there is neither. Started is when the first items were
	// sent. Why is the reason if Step.Expired has the request.
	Deadline int64
	Arrived  int64
	Started  int64
	Why      Refusal
	taken    int  // items that were sent
	left     bool // the caller has left
	queued   bool
	trial    bool // admitted whatever the estimate says
}

// Part is the items From to To of a request.
type Part struct {
	Request  *Request
	From, To int
}

// Batch is a batch that was sent.
type Batch struct {
	Parts     []Part
	Items     int
	Size      int
	Reason    Reason
	Started   int64
	Predicted float64 // nanoseconds; 0: there is no estimate yet
}
