package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// keda is the label by which KEDA's HorizontalPodAutoscalers name their ScaledObject.
const keda = "scaledobject.keda.sh/name"

// scaledObject reads a ScaledObject or a ScaledJob of KEDA.
func (r *reader) scaledObject(n *node, p place) {
	name := n.str("metadata", "name")
	before := len(r.queries)
	r.triggers(n.get("spec"), p.in(n.str("metadata", "namespace"), name))
	for i := range r.queries[before:] {
		r.queries[before+i].scaledObject = name
	}
}

func (r *reader) triggers(n *node, p place) {
	for i, trigger := range n.list("triggers") {
		q := Query{Where: p.in(oneOf(trigger.str("name"), fmt.Sprintf("trigger %d", i))).at(trigger.get("metadata").lineOr(trigger)), Text: trigger.str("metadata", "query")}
		switch kind := trigger.str("type"); {
		case kind == "prometheus", kind == "predictkube":
			r.done(trigger)
		case kind == "metrics-api" && trigger.str("metadata", "format") == "prometheus": // KEDA itself reads /metrics
			q.Text = trigger.str("metadata", "valueLocation")
			r.done(trigger)
		default:
			q.Text, q.Skip = "", "its trigger is "+kind
		}
		r.add(q)
	}
}

func (n *node) lineOr(other *node) int {
	switch {
	case n != nil:
		return n.line
	case other != nil:
		return other.line
	}
	return 0
}

// podAutoscaler reads the metrics of a HorizontalPodAutoscaler, of v2 and of
// v2beta1.
func (r *reader) podAutoscaler(n *node, p place) {
	r.done(n)
	p = p.in(n.str("metadata", "namespace"), n.str("metadata", "name"))
	for _, one := range n.list("spec", "metrics") {
		kind := one.str("type")
		of := one.get(strings.ToLower(kind[:min(len(kind), 1)]) + kind[min(len(kind), 1):])
		name := oneOf(of.str("metric", "name"), of.str("metricName"))
		where := p.in(oneOf(name, kind)).at(one.lineOr(nil))
		if name == "" {
			r.add(Query{Where: where, Skip: "its metric is of " + kind})
			continue
		}
		selector := of.get("metric", "selector")
		for _, other := range []string{"selector", "metricSelector"} {
			if selector == nil {
				selector = of.get(other)
			}
		}
		if object := selector.str("matchLabels", keda); object != "" {
			r.add(Query{Where: where, Text: name, expand: func(c checking) [][]Query { return [][]Query{{c.ofKEDA(where, object)}} }})
			continue
		}
		matchers := matchersOf(selector)
		r.add(Query{Where: where, Text: name, expand: func(c checking) [][]Query { return alone(c.scaledBy(where, name, matchers)) }})
	}
}

// analysis reads an AnalysisTemplate of Argo Rollouts. A metric of another provider
// is left to [reader.unread].
func (r *reader) analysis(n *node, p place) {
	p = p.in(n.str("metadata", "namespace"), n.str("metadata", "name"))
	for _, one := range n.list("spec", "metrics") {
		if query := one.get("provider", "prometheus", "query"); query != nil {
			r.done(query)
			r.add(Query{Where: p.in(one.str("name")).at(query.line), Text: query.text})
		}
	}
}

// alone makes a group of each query.
func alone(queries []Query) [][]Query {
	var groups [][]Query
	for _, q := range queries {
		groups = append(groups, []Query{q})
	}
	return groups
}

// matchersOf translates a Kubernetes label selector to PromQL matchers.
func matchersOf(selector *node) []string {
	var all []string
	for _, label := range selector.get("matchLabels").keys() {
		all = append(all, fmt.Sprintf("%s=%q", label, selector.str("matchLabels", label)))
	}
	for _, one := range selector.list("matchExpressions") {
		var values []string
		for _, value := range one.list("values") {
			values = append(values, regexp.QuoteMeta(value.str()))
		}
		matcher, known := map[string]string{"In": "=~", "NotIn": "!~", "Exists": "!=", "DoesNotExist": "="}[one.str("operator")]
		if known {
			all = append(all, fmt.Sprintf("%s%s%q", one.str("key"), matcher, strings.Join(values, "|")))
		}
	}
	return all
}

// ofKEDA returns the query of an autoscaler that KEDA made. The ScaledObject has
// the query itself.
func (c checking) ofKEDA(where, object string) Query {
	if c.objects[object] {
		return Query{Where: where, Skip: "KEDA makes it from the ScaledObject " + object + ", which is checked"}
	}
	return Query{Where: where, Unreadable: "KEDA makes it from the ScaledObject " + object + ", which is in none of the files"}
}

// scaledBy returns the queries behind a metric of a HorizontalPodAutoscaler: those
// of the rules of prometheus-adapter that make it, or else the series of its name,
// as the adapter's default rules have it.
func (c checking) scaledBy(where, metric string, matchers []string) []Query {
	var queries []Query
	for _, rule := range c.adapter {
		for _, q := range rule.makes(c, metric, matchers) {
			q.Where = where
			queries = append(queries, q)
		}
	}
	if queries != nil {
		return queries
	}
	for _, series := range []string{metric, metric + "_total", metric + "_seconds_total"} {
		has := func(s sample) bool { return s.name == series }
		if slices.ContainsFunc(c.before.samples, has) || slices.ContainsFunc(c.after.samples, has) {
			return []Query{{Where: where, Text: "{" + strings.Join(append([]string{fmt.Sprintf("__name__=%q", series)}, matchers...), ",") + "}"}}
		}
	}
	return []Query{{Where: where, Text: metric, Unreadable: "neither server has this metric; if prometheus-adapter makes it, its rules must be among the files"}}
}
