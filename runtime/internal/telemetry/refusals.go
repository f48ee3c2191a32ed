package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Refusal is why a request was refused before its function began. The batch queue has reasons
// of its own.
type Refusal int

// The reasons.
const (
	RefusedFull     Refusal = iota // no slot was free, and the queue had no place
	RefusedLate                    // its turn would have come after its deadline
	RefusedExpired                 // its deadline passed, or its client left, before it had a slot
	RefusedStarting                // the app had not started
	RefusedMemory                  // its body found no room in memory
	RefusedOverdue                 // too many functions ran on after their 504
	RefusedProxy                   // a connection began with a PROXY header that is wrong, or not from a trusted proxy
	RefusedClient                  // its client has too many requests
	RefusedAuth                    // it has no token and no password
	refusals
)

var refusalNames = [refusals]string{"full", "late", "expired", "starting", "memory", "overdue", "proxy", "client", "auth"}

// String returns the label reason.
func (why Refusal) String() string { return refusalNames[why] }

// Refuse counts a request that was refused.
func (s *Service) Refuse(why Refusal) { s.refused[why].Add(1) }

// observeRefusals registers the counts of refusals and the lengths of queues.
func (t *Telemetry) observeRefusals(meter metric.Meter) error {
	refused, err := meter.Int64ObservableCounter("ekiben.traffic.refused", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that were refused before their function began, by reason"))
	if err != nil {
		return err
	}
	queued, err := meter.Int64ObservableUpDownCounter("ekiben.traffic.queued", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that wait for a slot of max_concurrency"))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range t.services {
			if s.set.Queued != nil {
				o.ObserveInt64(queued, s.set.Queued(), metric.WithAttributeSet(s.labels()))
			}
			for why := range s.refused {
				o.ObserveInt64(refused, s.refused[why].Load(), metric.WithAttributeSet(s.labels(attribute.String("reason", refusalNames[why]))))
			}
		}
		return nil
	}, refused, queued)
	return err
}
