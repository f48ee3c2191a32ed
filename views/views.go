// Package views gives OpenTelemetry instruments the names and boundaries of
// BentoML's metrics. An app of package runtime uses it itself; a program needs it for a
// provider of its own:
//
//	all, err := views.BentoML(views.Config{})
//	provider := metric.NewMeterProvider(metric.WithView(all...), metric.WithReader(reader))
//	app := runtime.New("Shouter", runtime.WithMeterProvider(provider))
//
// The runtime records in the scope [Scope] under names without a namespace, such
// as request_total. The views of [BentoML] prepend the namespace and choose the
// boundaries. They have no state, so that a MeterProvider that you build can use
// them too. With such a provider, all endpoints share one list with the boundaries
// of every endpoint; with [Duration.Native], durations are only native histograms.
package views

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

// Scope is the instrumentation scope of the default metrics. The views rename only
// its instruments; custom metrics keep their names.
const Scope = "github.com/ekiben-serving/ekiben/runtime"

// The names of the default metrics, without the namespace.
const (
	RequestInProgress    = "request_in_progress"
	RequestTotal         = "request_total"
	RequestDuration      = "request_duration_seconds"
	AdaptiveBatchSize    = "adaptive_batch_size"
	LastRequestTimestamp = "last_request_timestamp_seconds"

	WebsocketConnections  = "websocket_connections"
	WebsocketDataReceived = "websocket_data_received"
	WebsocketDataSent     = "websocket_data_sent"
)

// BentoML returns the views that give the default metrics BentoML's names and
// boundaries, and no minimum and maximum, which Prometheus cannot express. They
// also turn the histograms of summaries into counts and sums. Errors: those of
// [Config.Validate].
func BentoML(cfg Config) ([]metric.View, error) {
	resolved, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return []metric.View{resolved.defaultMetrics, summaries}, nil
}

func (b boundaries) defaultMetrics(i metric.Instrument) (metric.Stream, bool) {
	if i.Scope.Name != Scope {
		return metric.Stream{}, false
	}
	stream := metric.Stream{Name: b.namespace + "_" + i.Name, Description: i.Description, Unit: i.Unit, ExemplarReservoirProviderSelector: onDemand}
	switch i.Name {
	case RequestInProgress, RequestTotal, LastRequestTimestamp, WebsocketConnections:
	case WebsocketDataReceived, WebsocketDataSent: // summaries
		stream.Aggregation = explicit(nil)
	case RequestDuration:
		stream.Aggregation = b.durations(i.Scope.Attributes)
	case AdaptiveBatchSize:
		if size, ok := i.Scope.Attributes.Value(scopeattr.MaxBatchSize); ok {
			stream.Aggregation = explicit(BatchSizeBoundaries(int(size.AsInt64())))
		} // without the attribute, the boundaries advised by the instrument apply
	default:
		return metric.Stream{}, false
	}
	return stream, true
}

// durations chooses the aggregation of a scope's durations. A scope without internal
// attributes is on a provider that a user built. It has the durations of all
// endpoints, with one aggregation.
func (b boundaries) durations(scope attribute.Set) metric.Aggregation {
	if native, _ := scope.Value(scopeattr.Native); native.AsBool() {
		return exponential
	}
	if endpoint, ok := scope.Value(scopeattr.Endpoint); ok {
		return explicit(b.of(endpoint.AsString()))
	}
	if b.native {
		return exponential
	}
	return explicit(b.all())
}

// summaries removes the boundaries of summaries. Count and sum remain, as in a
// Prometheus summary without quantiles.
func summaries(i metric.Instrument) (metric.Stream, bool) {
	unit, ok := scopeattr.SummaryUnit(i.Unit)
	if i.Kind != metric.InstrumentKindHistogram || !ok {
		return metric.Stream{}, false
	}
	return metric.Stream{Name: i.Name, Description: i.Description, Unit: unit, Aggregation: explicit(nil), ExemplarReservoirProviderSelector: onDemand}, true
}

// exponential has OpenTelemetry's default size, and the finest resolution of a
// Prometheus schema: boundaries are 0.27 % apart if the largest duration is at most
// 1.5 times the smallest, and 4.4 % apart if it is a thousand times the smallest.
var exponential = metric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 8, NoMinMax: true}

func explicit(bounds []float64) metric.Aggregation {
	return metric.AggregationExplicitBucketHistogram{Boundaries: bounds, NoMinMax: true}
}
