package runtime

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

// public makes of what the SDK collects what a collector should be sent: each
// metric once, in a scope that tells nothing of how we choose views.
type public struct{ otlp.Collector }

// Collect is the Collector's, so changed.
func (p public) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := p.Collector.Collect(ctx, rm)
	onlyNative(rm)
	mergeScopes(rm)
	return err
}

// onlyNative leaves out what has boundaries where its exponential form is there
// too: of two streams of one name, receivers drop one or add both up.
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

// mergeScopes takes the attributes away that choose views, and makes one scope of
// those that then are the same.
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

// mergeMetric adds a metric to those of its scope. The histograms whose
// boundaries a view chose come in several scopes under one name; their points
// have boundaries each.
func mergeMetric(list []metricdata.Metrics, m metricdata.Metrics) []metricdata.Metrics {
	i := slices.IndexFunc(list, func(other metricdata.Metrics) bool { return other.Name == m.Name && other.Unit == m.Unit })
	if i < 0 {
		return append(list, m)
	}
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		if into, ok := list[i].Data.(metricdata.Histogram[float64]); ok {
			into.DataPoints = append(into.DataPoints, data.DataPoints...)
			list[i].Data = into
			return list
		}
	case metricdata.Histogram[int64]:
		if into, ok := list[i].Data.(metricdata.Histogram[int64]); ok {
			into.DataPoints = append(into.DataPoints, data.DataPoints...)
			list[i].Data = into
			return list
		}
	}
	return append(list, m)
}
