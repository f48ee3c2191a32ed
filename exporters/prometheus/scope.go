package prometheus

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

// ordered is a scope of this collection and its index in the SDK's list.
type ordered struct {
	scope *scope
	at    int
}

// scope is an instrumentation scope with its labels. If the labels are illegal, err is
// set, and the metrics of the scope are left out.
type scope struct {
	id     instrumentation.Scope
	text   string // the attributes as a string, for sorting
	labels []label
	err    error
	now    uint64
}

// sortScopes sorts the scopes, which the SDK returns in random order. Without it, a
// different one of two conflicting streams would win in each collection.
func (x *index) sortScopes(list []metricdata.ScopeMetrics) {
	x.order = x.order[:0]
	for i := range list {
		sc, ok := x.scopes[list[i].Scope]
		if !ok {
			sc = newScope(list[i].Scope, x.scoped)
			x.scopes[list[i].Scope] = sc
		}
		sc.now = x.now
		x.order = append(x.order, ordered{sc, i})
	}
	slices.SortStableFunc(x.order, func(a, b ordered) int {
		return cmp.Or(
			strings.Compare(a.scope.id.Name, b.scope.id.Name),
			strings.Compare(a.scope.id.Version, b.scope.id.Version),
			strings.Compare(a.scope.id.SchemaURL, b.scope.id.SchemaURL),
			strings.Compare(a.scope.text, b.scope.text))
	})
}

// newScope makes the labels of a scope once, for all collections.
func newScope(id instrumentation.Scope, labelled bool) *scope {
	sc := &scope{id: id, text: id.Attributes.Encoded(attribute.DefaultEncoder())}
	if labelled && id != (instrumentation.Scope{}) { // target_info has no scope
		sc.labels, sc.err = scopeLabels(id)
	}
	return sc
}

// scopeLabels returns the labels that OpenTelemetry's own exporter adds to the
// series of a scope. Attributes named name, version or schema_url are left out in
// favor of the scope's own, and so are internal attributes.
func scopeLabels(id instrumentation.Scope) ([]label, error) {
	const prefix = "otel_scope_"
	out := []label{{prefix + "name", id.Name}, {prefix + "version", id.Version}, {prefix + "schema_url", id.SchemaURL}}
	for it := id.Attributes.Iter(); it.Next(); {
		kv := it.Attribute()
		if scopeattr.Internal(kv.Key) {
			continue
		}
		name, err := LabelName(string(kv.Key))
		if err != nil {
			return nil, err
		}
		if name != "name" && name != "version" && name != "schema_url" {
			out = append(out, label{prefix + name, kv.Value.String()})
		}
	}
	return out, nil
}
