package views

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// onDemand chooses the exemplar reservoirs that the SDK chooses, but makes each one
// when it gets its first exemplar. Without tracing there is none, and reservoirs
// would take half of the time of a collection (go test -bench Page
// ./exporters/prometheus).
func onDemand(aggregation metric.Aggregation) exemplar.ReservoirProvider {
	provider := metric.DefaultExemplarReservoirProviderSelector(aggregation)
	return func(attributes attribute.Set) exemplar.Reservoir {
		return &reservoir{make: func() exemplar.Reservoir { return provider(attributes) }}
	}
}

// reservoir is used under the lock of the SDK.
type reservoir struct {
	make func() exemplar.Reservoir
	made exemplar.Reservoir // nil: no exemplar yet
}

// Offer passes an exemplar on.
func (r *reservoir) Offer(ctx context.Context, at time.Time, value exemplar.Value, dropped []attribute.KeyValue) {
	if r.made == nil {
		r.made = r.make()
	}
	r.made.Offer(ctx, at, value, dropped)
}

// Collect returns the exemplars that are held.
func (r *reservoir) Collect(into *[]exemplar.Exemplar) {
	if r.made == nil {
		*into = (*into)[:0]
		return
	}
	r.made.Collect(into)
}
