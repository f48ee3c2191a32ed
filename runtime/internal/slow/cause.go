// Package slow says where the time of slow requests went. It knows no service: it is told
// what a request waits for, and keeps the records that it is given.
package slow

import "time"

// Cause is what took the largest share of a slow request's time.
type Cause int

// The causes, in the order in which they win: when two shares differ by less than margin, the
// first one is the cause. Those before GC are measured. GC and Scheduling are estimates for the
// whole process. Function is the rest, so it wins last.
const (
	Body       Cause = iota // reading the body of the request from the client
	Client                  // writing the response to the client
	Queue                   // waiting for a slot of max_concurrency
	Batch                   // waiting in the queue of a batchable API
	GC                      // the garbage collector stopped the function, or let it help
	Scheduling              // the function was ready to run, and had no processor
	Function                // the rest: the function, its batch, decoding, middleware
	causes
)

// String returns the name of the cause in records and metrics.
func (c Cause) String() string {
	return [causes]string{"body", "client", "queue", "batch", "gc", "scheduling", "function"}[c]
}

// margin is the part of the request's time that two shares must differ by.
const margin = 0.1

// shares is where the time of a request went.
type shares [causes]time.Duration

// cause returns the cause of a request that took so long.
func (s *shares) cause(took time.Duration) Cause {
	most, near := time.Duration(0), time.Duration(margin*float64(took))
	for _, share := range s {
		most = max(most, share)
	}
	for c, share := range s {
		if share > 0 && most-share < near {
			return Cause(c)
		}
	}
	return Function
}

// named returns the shares by the names of their causes, without those that are 0.
func (s *shares) named() map[string]time.Duration {
	all := map[string]time.Duration{}
	for c, share := range s {
		if share > 0 {
			all[Cause(c).String()] = share
		}
	}
	return all
}
