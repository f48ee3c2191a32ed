package runtime

import "github.com/ekiben-serving/ekiben/runtime/internal/telemetry"

// A refusal is counted by its reason, and the log line of its request has the same one.

// refused counts a refusal by a service. The log line of a request that came over HTTP says why.
func (who asker) refused(by *Service, why telemetry.Refusal) {
	by.metrics.Refuse(why)
	who.exchange.refusedFor(why)
}

// refused counts a refusal of the request, and keeps why for its log line.
func (c *call) refused(why telemetry.Refusal) {
	asker{exchange: c.x}.refused(c.api.service, why)
}

// refusedFor keeps why the request is refused, for its log line. A nil x is a call in process.
func (x *exchange) refusedFor(why telemetry.Refusal) {
	if x != nil {
		x.out.mu.Lock()
		x.out.refused = uint8(why) + 1
		x.out.mu.Unlock()
	}
}
