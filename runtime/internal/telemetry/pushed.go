package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

// pushed converts the metrics of the SDK for a push: it has each metric once, in
// scopes without our internal attributes.
type pushed struct{ Collector }

// Collect collects once.
func (p pushed) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := p.Collector.Collect(ctx, rm)
	onlyNative(rm)
	mergeScopes(rm)
	return err
}

// onlyNative removes a histogram with boundaries if it also exists as a native
// histogram: receivers drop one of two streams with the same name, or add them up.
func onlyNative(rm *metricdata.ResourceMetrics) {
	native := map[string]bool{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if _, ok := m.Data.(metricdata.ExponentialHistogram[float64]); ok && scope.Scope.Name == views.Scope {
				native[m.Name] = true
			}
		}
	}
	for i := range rm.ScopeMetrics {
		scope := &rm.ScopeMetrics[i]
		scope.Metrics = slices.DeleteFunc(scope.Metrics, func(m metricdata.Metrics) bool {
			_, classic := m.Data.(metricdata.Histogram[float64])
			return classic && scope.Scope.Name == views.Scope && native[m.Name]
		})
	}
}

// mergeScopes removes the attributes that select views, and merges scopes that are
// equal without them.
func mergeScopes(rm *metricdata.ResourceMetrics) {
	type key struct {
		name, version, schema string
		attributes            attribute.Distinct
	}
	at := map[key]int{}
	merged := rm.ScopeMetrics[:0]
	for _, scope := range rm.ScopeMetrics {
		if len(scope.Metrics) == 0 {
			continue
		}
		scope.Scope.Attributes = scopeattr.Public(scope.Scope.Attributes)
		k := key{scope.Scope.Name, scope.Scope.Version, scope.Scope.SchemaURL, scope.Scope.Attributes.Equivalent()}
		i, known := at[k]
		if !known {
			at[k] = len(merged)
			merged = append(merged, scope)
			continue
		}
		for _, m := range scope.Metrics {
			merged[i].Metrics = mergeMetric(merged[i].Metrics, m)
		}
	}
	rm.ScopeMetrics = merged
}

// mergeMetric adds a metric to a list. If some endpoints have their own boundaries,
// a histogram has several scopes and one name. Its points are put in one metric,
// which is valid because each point has its own boundaries.
func mergeMetric(list []metricdata.Metrics, m metricdata.Metrics) []metricdata.Metrics {
	i := slices.IndexFunc(list, func(other metricdata.Metrics) bool { return other.Name == m.Name && other.Unit == m.Unit })
	if i < 0 {
		return append(list, m)
	}
	if joinPoints[float64](&list[i], m) || joinPoints[int64](&list[i], m) {
		return list
	}
	return append(list, m)
}

func joinPoints[N int64 | float64](into *metricdata.Metrics, m metricdata.Metrics) bool {
	have, ok1 := into.Data.(metricdata.Histogram[N])
	more, ok2 := m.Data.(metricdata.Histogram[N])
	if ok1 && ok2 {
		have.DataPoints = append(have.DataPoints, more.DataPoints...)
		into.Data = have
	}
	return ok1 && ok2
}
