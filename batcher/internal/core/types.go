package core

// Policy is when a batch goes that is not full.
type Policy uint8

// The policies.
const (
	// Adaptive waits by the rule that would have served the latest arrivals best.
	Adaptive Policy = iota
	// Idle never waits: what is queued goes as soon as a worker is free.
	Idle
	// Window waits a fixed time after the first arrival.
	Window
	// Held waits as Config.Hold says: the simulator's policies in hindsight.
	Held
)

// Reason is why a batch went.
type Reason uint8

// The reasons.
const (
	Full     Reason = iota + 1 // it could not be larger
	Ready                      // a worker was free, and waiting could not pay
	Gap                        // it had waited for one more, which did not come
	Deadline                   // it could not wait longer for its oldest
	Drain                      // nothing more will come
)

// String returns the reason as it is in the metrics.
func (r Reason) String() string {
	return name(int(r), "", "full", "idle", "gap", "deadline", "drain")
}

// Refusal is why a request is not admitted, or not served.
type Refusal uint8

// The refusals.
const (
	Admitted  Refusal = iota
	QueueFull         // the queue has no room for it
	Late              // it would not be answered by its deadline
	TooMany           // nor would it with nothing ahead of it: its items fill several batches
	Expired           // its deadline passed in the queue
	Closed            // nothing is admitted any more
	Left              // its caller left; the core itself never says so
)

// String returns the refusal as it is in the metrics.
func (r Refusal) String() string {
	return name(int(r), "", "queue_full", "late", "too_many", "expired", "closed", "left")
}

func name(i int, names ...string) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}

// Config is what decides. All of it can change while requests are queued.
type Config struct {
	Policy     Policy
	MaxSize    int     // of a batch, in units of size
	Disabled   bool    // a batch has items of one request only, and never waits
	MaxQueue   int     // units of size; 0: no limit
	MaxLatency float64 // nanoseconds that a request may take; 0: no limit
	Window     float64 // nanoseconds that Window waits
	Workers    int     // batches at once
	// Hold says until when to wait, of Held: for queued units, the oldest of
	// which came at oldest.
	Hold func(queued int, oldest int64) int64
}

// Request is one caller's list of items. Fields in capitals are the driver's
// to set; the rest is the core's.
type Request struct {
	// Items is how many there are; Sizes their sizes, nil for 1 each. An item
	// larger than MaxSize is a batch of its own.
	Items int
	Sizes []int
	// Owner is whose request it is, for the driver.
	Owner any
	// Own is when the caller stops waiting; 0: never. Deadline is that, or what
	// MaxLatency allows if it is earlier.
	Own      int64
	Deadline int64 // the core's

	Arrived int64
	Started int64 // when its first items went
	taken   int
	left    bool // its caller has gone
	queued  bool
	trial   bool // admitted whatever the estimate says
}

// Part is the items From to To of a request.
type Part struct {
	Request  *Request
	From, To int
}

// Batch is what goes at once.
type Batch struct {
	Parts     []Part
	Items     int
	Size      int
	Reason    Reason
	Started   int64
	Predicted float64 // nanoseconds; 0: nothing is known yet
}
