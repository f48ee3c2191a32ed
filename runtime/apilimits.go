package runtime

import (
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// inForce has the times that the configuration sets, each a time.Duration.
type inForce struct {
	timeout   atomic.Int64 // 0: none
	objective atomic.Int64 // of slow requests; 0: none
}

// apply sets the limits and the objective of an API: from the configuration of its route, else from
// the options of the API, else from its service.
func (a *api) apply(traffic config.Traffic, objective time.Duration) {
	timeout, most := traffic.Timeout, a.maxConcurrency
	if a.timeout != nil {
		timeout = *a.timeout
	}
	own := traffic.Endpoints[a.route]
	if own.Timeout != nil {
		timeout = *own.Timeout
	}
	if own.MaxConcurrency != nil {
		most = *own.MaxConcurrency
	}
	if own.SlowObjective != nil {
		objective = *own.SlowObjective
	}
	a.slots.Limit(most)
	a.inForce.timeout.Store(int64(timeout))
	a.inForce.objective.Store(int64(objective))
	if a.stream != nil {
		limits := own.Stream.Over(traffic.Stream)
		a.stream.limits.Store(&limits)
	}
}

// timeoutInForce returns the timeout of a request; 0: none.
func (a *api) timeoutInForce() time.Duration { return time.Duration(a.inForce.timeout.Load()) }
