package migrate_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

const (
	oldScaled = "# TYPE ns_busy gauge\nns_busy{e=\"/a\",r=\"S\"} 1\nns_busy{e=\"/b\",r=\"S\"} 1\n# TYPE ns_x_total counter\nns_x_total{e=\"/a\"} 1\n"
	newScaled = "# TYPE ns_busy gauge\nns_busy{e=\"/a\",r=\"T\"} 1\n# TYPE ns_x_total counter\nns_x_total{e=\"/a\"} 1\n"

	lostB = "goes empty: selects 1 old and 0 new series"
)

// Autoscalers are checked as they are written, and by the rules that make their metrics.
func TestAutoscalers(t *testing.T) {
	const hpa = "kind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {metrics: [{type: Pods, pods: {metric: "
	const rule = "\n---\nrules: [{seriesQuery: 'ns_busy{namespace!=\"\",pod!=\"\"}', resources: {overrides: {namespace: {resource: namespace}}}, "
	const query = "metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>,e=\"/b\"}) by (<<.GroupBy>>)'}]"
	for name, test := range map[string]struct{ content, want string }{
		"KEDA":          {`{kind: ScaledObject, metadata: {name: s}, spec: {triggers: [{type: prometheus, metadata: {query: 'sum(ns_busy{e="/b"})'}}]}}`, "f:1 › s › trigger 0: " + lostB},
		"KEDA, same":    {`{kind: ScaledObject, spec: {triggers: [{type: prometheus, metadata: {query: 'sum(ns_x_total)'}}, {type: cpu, metadata: {value: "1"}}]}}`, ""},
		"KEDA, jobs":    {`{kind: ScaledJob, metadata: {name: s}, spec: {triggers: [{type: prometheus, name: n, metadata: {query: 'sum('}}]}}`, "f:1 › s › n: must be PromQL: 1:5: parse error: unclosed left parenthesis"},
		"KEDA, by Helm": {`{keda: {triggers: [{type: prometheus, metadata: {query: 'sum(ns_busy{e="/b"})'}}]}}`, "f:1 › trigger 0: " + lostB},
		"KEDA, an API":  {`{kind: ScaledObject, metadata: {name: s}, spec: {triggers: [{type: metrics-api, metadata: {format: prometheus, valueLocation: 'ns_busy{e="/b"}'}}]}}`, "f:1 › s › trigger 0: " + lostB},
		"KEDA, JSON":    {`{kind: ScaledObject, metadata: {name: s}, spec: {triggers: [{type: metrics-api, metadata: {format: json, valueLocation: a.b}}]}}`, ""},
		"pods":          {hpa + `{name: ns_busy, selector: {matchLabels: {e: /b}}}}}]}`, "f:3 › h › ns_busy: " + lostB},
		"pods, same":    {hpa + `{name: ns_busy, selector: {matchExpressions: [{key: e, operator: In, values: [/c]}]}}}}]}`, ""},
		"pods, In":      {hpa + `{name: ns_busy, selector: {matchExpressions: [{key: e, operator: In, values: [/b, /c]}]}}}}]}`, "f:3 › h › ns_busy: " + lostB},
		"pods, NotIn":   {hpa + `{name: ns_busy, selector: {matchExpressions: [{key: e, operator: NotIn, values: [/a]}]}}}}]}`, "f:3 › h › ns_busy: " + lostB},
		"pods, a rate":  {hpa + `{name: ns_x}}}]}`, ""},
		"pods, unknown": {hpa + `{name: other}}}]}`, "f:3 › h › other: neither server has this metric; if prometheus-adapter makes it, its rules must be among the files"},
		"v2beta1":       {`{kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {metrics: [{type: External, external: {metricName: ns_busy, metricSelector: {matchLabels: {e: /b}}}}]}}`, "f:1 › h › ns_busy: " + lostB},
		"object":        {`{kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {metrics: [{type: Object, object: {metric: {name: ns_busy, selector: {matchLabels: {e: /b}}}}}]}}`, "f:1 › h › ns_busy: " + lostB},
		"CPU":           {`{kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {metrics: [{type: Resource, resource: {name: cpu}}]}}`, ""},
		"of KEDA": {`{kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {metrics: [{type: External, external: {metric: {name: s0-prometheus, selector: {matchLabels: {scaledobject.keda.sh/name: s}}}}}]}}`,
			"f:1 › h › s0-prometheus: KEDA makes it from the ScaledObject s, which is in none of the files"},
		"with KEDA": {`{kind: HorizontalPodAutoscaler, spec: {metrics: [{type: External, external: {metric: {name: s0-prometheus, selector: {matchLabels: {scaledobject.keda.sh/name: s}}}}}]}}` +
			"\n---\n" + `{kind: ScaledObject, metadata: {name: s}, spec: {triggers: [{type: prometheus, metadata: {query: 'sum(ns_x_total)'}}]}}`, ""},
		"adapter": {rule + query, "f:3 › seriesQuery: selects 2 old and 1 new series; f:3 › metricsQuery: " + lostB},
		"adapter, renamed": {hpa + `{name: busy_b, selector: {matchLabels: {r: S}}}}}]}` + rule + "name: {matches: '^ns_(.*)$', as: '${1}_b'}, " + query,
			"f:3 › h › busy_b: " + lostB + "; f:5 › seriesQuery: selects 2 old and 1 new series; f:5 › metricsQuery: " + lostB},
		"adapter, filtered": {hpa + `{name: busy}}}]}` + rule + "seriesFilters: [{isNot: busy}], name: {matches: '^ns_(.*)$'}, " + query,
			"f:3 › h › busy: neither server has this metric; if prometheus-adapter makes it, its rules must be among the files; f:5 › seriesQuery: selects 2 old and 1 new series"},
		"adapter, by Helm": {`{rules: {external: [{seriesQuery: 'ns_busy', resources: {overrides: {r: {resource: service}}}, metricsQuery: 'sum(ns_busy{<<.LabelMatchers>>,e="/a"}) by (<<.GroupBy>>)'}]}}`,
			"f:1 › seriesQuery: selects 2 old and 1 new series; f:1 › metricsQuery: selects 1 old and 1 new series"},
		"adapter, no template": {`{externalRules: [{seriesQuery: ns_x_total, metricsQuery: 'sum(<<.Serie>>)'}]}`,
			"f:1 › metricsQuery: must be a template of prometheus-adapter: template: query:1:6: executing \"query\" at <.Serie>: map has no entry for key \"Serie\""},
		"adapter, no expression": {`{rules: [{seriesQuery: ns_x_total, name: {matches: '('}, metricsQuery: 'a'}]}`, "f:1 › metricsQuery: error parsing regexp: missing closing ): `(`"},
		"adapter, CPU":           {`{resourceRules: {cpu: {containerQuery: 'sum by (<<.GroupBy>>) (ns_busy{<<.LabelMatchers>>,e="/b"})'}}}`, "f:1 › containerQuery: " + lostB},
	} {
		queries, err := migrate.Read("f", []byte(test.content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range migrate.NewReport(parse(t, "old", oldScaled), parse(t, "new", newScaled), queries, migrate.Options{}).Findings {
			if f.Because == "" {
				got = append(got, f.Where+": "+f.Text)
			}
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, "; "), test.want)
		}
	}
}
