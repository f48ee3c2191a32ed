package migrate_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

const (
	panel            = `{"title": "D", "panels": [{"title": "P", "targets": [{"refId": "A", "expr": "a"}]}]}`
	rules            = "groups:\n- name: g\n  rules: [{alert: R, expr: b}]\n"
	dashboardV2      = `{"title": "D", "elements": {"panel-1": {"kind": "Panel", "spec": {"title": "P", "data": {"kind": "QueryGroup", "spec": {"queries": [{"kind": "PanelQuery", "spec": {"refId": "A", "query": %s}}]}}}}}}`
	queryV2          = `{"kind": "prometheus", "spec": {"expr": "a"}}`
	queryV2beta      = `{"kind": "DataQuery", "group": "prometheus", "version": "v0", "datasource": {"name": "x"}, "spec": {"expr": "a"}}`
	queryOfLoki      = `{"kind": "DataQuery", "group": "loki", "spec": {"expr": "a"}}`
	inPanel, inRules = "f › D › P (A): a", "f:3 › g › R: b"
)

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func utf16LE(ascii string) string {
	return "\xff\xfe" + strings.Join(strings.Split(ascii, ""), "\x00") + "\x00"
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// editor is a dashboard whose variable v has a query.
func editor(query string) string {
	return `{"templating": {"list": [{"name": "v", "type": "query", "query": ` + query + `}]}}`
}

// forms are the forms in which dashboards and rules are kept, and the queries found in them.
var forms = map[string]struct{ content, want string }{
	"dashboard":        {panel, inPanel},
	"API":              {`{"meta": {"slug": "d"}, "dashboard": ` + panel + `}`, inPanel},
	"v1 resource":      {`{"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {"name": "d"}, "spec": ` + panel + `}`, inPanel},
	"v2":               {fmt.Sprintf(dashboardV2, queryV2), inPanel},
	"v2beta1":          {fmt.Sprintf(dashboardV2, queryV2beta), inPanel},
	"v2 resource":      {`{"kind": "Dashboard", "spec": ` + fmt.Sprintf(dashboardV2, queryV2beta) + `}`, inPanel},
	"v2, Loki":         {fmt.Sprintf(dashboardV2, queryOfLoki), "f › D › P (A): skip: its data source is loki"},
	"v2 in YAML":       {"kind: Dashboard\nspec:\n" + indented(fmt.Sprintf(dashboardV2, queryV2)), inPanel},
	"array":            {"[" + panel + ", " + strings.ReplaceAll(panel, `"a"`, `"b"`) + ", {}]", inPanel + "; f › D › P (A): b; f: skip: it has no queries"},
	"JSON documents":   {panel + "\n" + panel, inPanel + "; " + inPanel},
	"one panel":        {`{"title": "P", "targets": [{"expr": "a"}]}`, "f › P: a"},
	"BOM":              {"\ufeff" + panel, inPanel},
	"BOM and JSON":     {"\ufeff{\n\t\"title\": \"\\ud83d\\ude00\", \"panels\": [{\"targets\": [{\"expr\": \"a\"}]}]}", "f › 😀: a"},
	"UTF-16":           {utf16LE(panel), inPanel},
	"CRLF":             {strings.ReplaceAll("\ufeff"+rules, "\n", "\r\n"), inRules},
	"annotation":       {`{"annotations": {"list": [{"name": "n", "target": {"expr": "a", "refId": "Anno"}}, {"name": "m", "expr": "b"}]}}`, "f › annotation n: a; f › annotation m: b"},
	"editor, labels":   {editor(`{"qryType": 1, "label": "l", "metric": "a", "labelFilters": [{"label": "x", "op": "=~", "value": "1\\d"}, {"label": "y", "value": "2"}]}`), `f › variable v: a{x=~"1\\d",y="2"}`},
	"editor, result":   {editor(`{"qryType": 3, "varQuery": "topk(1, a)"}`), "f › variable v: topk(1, a)"},
	"editor, series":   {editor(`{"qryType": 4, "seriesQuery": "a{b=\"c\"}"}`), `f › variable v: a{b="c"}`},
	"editor, classic":  {editor(`{"qryType": 5, "classicQuery": "label_values(a, l)"}`), "f › variable v: a"},
	"editor, names":    {editor(`{"qryType": 2, "query": "metrics(a)"}`), "f › variable v: skip: it asks for names, not for series"},
	"selector":         {editor(`"a{b=\"c\"}"`), `f › variable v: a{b="c"}`},
	"Argo Rollouts":    {rules + "---\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  metrics:\n  - name: m\n    provider: {prometheus: {query: a}}\n", inRules + "; f:10 › t › m: a"},
	"rules":            {rules, inRules},
	"Mimir API":        {"ns:\n- name: g\n  rules: [{alert: R, expr: b}]\n", inRules},
	"Prometheus API":   {`{"status": "success", "data": {"groups": [{"name": "g", "rules": [{"name": "r", "query": "b", "type": "recording"}]}]}}`, "f › g › r: b"},
	"Grafana's rules":  {`{"groups": [{"name": "g", "rules": [{"title": "R", "data": [{"refId": "A", "datasourceUid": "prom", "model": {"expr": "b"}}, {"refId": "C", "datasourceUid": "__expr__", "model": {"expression": "A"}}]}]}]}`, "f › g › R (A): b"},
	"ConfigMap":        {"kind: ConfigMap\nmetadata: {namespace: ns}\ndata:\n  note: x\n  r.yml: |\n" + indented(rules) + "  d.json: |-\n" + indented(panel), "f › ns › d.json › D › P (A): a; f › ns › r.yml:3 › g › R: b"},
	"broken ConfigMap": {"kind: ConfigMap\ndata:\n  d.json: '{'\n  r.yml: |\n" + indented(rules), "f:3 › d.json: cannot: must be JSON: unexpected EOF; f › r.yml:3 › g › R: b"},
	"binary ConfigMap": {`{"kind": "ConfigMap", "binaryData": {"d.json": "` + base64.StdEncoding.EncodeToString([]byte(panel)) + `"}}`, "f › d.json › D › P (A): a"},
	"applied":          {"kind: ConfigMap\nmetadata: {annotations: {last-applied: '" + panel + "'}}\ndata: {d.json: '" + panel + "'}", "f › d.json › D › P (A): a"},
	"operator":         {`{"kind": "GrafanaDashboard", "metadata": {"name": "d"}, "spec": {"json": ` + strconv.Quote(panel) + `}}`, "f › d › D › P (A): a"},
	"operator, gzip":   {`{"kind": "GrafanaDashboard", "metadata": {"name": "d"}, "spec": {"gzipJson": "` + zipped(panel) + `"}}`, "f › d › D › P (A): a"},
	"operator, URL":    {`{"kind": "GrafanaDashboard", "metadata": {"name": "d"}, "spec": {"url": "http://x"}}`, "f › d: cannot: must have spec.json or spec.gzipJson; a dashboard behind a URL or in another object is not read"},
	"kubectl":          {"kind: List\nitems:\n- {kind: Secret, metadata: {name: s}}\n- {kind: PrometheusRule, spec: {groups: [{name: g, rules: [{alert: R, expr: b}]}]}}\n", "f:3 › Secret › s: skip: it has no queries; f:4 › g › R: b"},
	"aliases":          {"groups:\n- name: g\n  rules:\n  - {alert: A, expr: &e up == 0}\n  - &r {alert: B, expr: *e}\n  - {<<: *r, alert: C}\n", "f:4 › g › A: up == 0; f:5 › g › B: up == 0; f:5 › g › C: up == 0"},
	"VictoriaMetrics":  {`{"panels": [{"datasource": {"type": "victoriametrics-metrics-datasource"}, "targets": [{"expr": "a"}]}]}`, "f: a"},
	"its older name":   {`{"panels": [{"datasource": {"type": "victoriametrics-datasource"}, "targets": [{"expr": "a"}]}]}`, "f: a"},
	"VictoriaLogs":     {`{"panels": [{"datasource": {"type": "victoriametrics-logs-datasource"}, "targets": [{"expr": "a"}]}]}`, "f: skip: its data source is victoriametrics-logs-datasource"},
}

// Read finds queries in each form in which dashboards and rules are kept.
func TestForms(t *testing.T) {
	for form, test := range forms {
		queries, err := migrate.Read("f", []byte(test.content))
		var got []string
		for _, q := range queries {
			text := q.Text
			if q.Skip != "" {
				text = "skip: " + q.Skip
			}
			if q.Unreadable != "" {
				text = "cannot: " + q.Unreadable
			}
			got = append(got, q.Where+": "+text)
		}
		if err != nil || strings.Join(got, "; ") != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", form, strings.Join(got, "; "), err, test.want)
		}
	}
}

// A query in MetricsQL is called so.
func TestMetricsQL(t *testing.T) {
	metrics := parse(t, "metrics", oldPage)
	for query, metricsQL := range map[string]bool{
		`sum(rate(ns_request_total))`:                       true,
		`rollup_rate(ns_request_total[5m])`:                 true,
		`WITH (x = ns_request_total{endpoint="/a"}) sum(x)`: true,
		`rate(ns_request_total[5m]) keep_metric_names`:      true,
		`{__name__="a" or __name__="b"}`:                    true,
		`ns_request_total default 0`:                        true,
		`median_over_time(ns_seconds_sum[5m])`:              true,
		`sum(ns_request_total) by (endpoint) limit 3`:       true,
		`rate(ns_request_total[1i])`:                        true,
		`sums(a)`:                                           false,
		`sum(`:                                              false,
		`rate(a[5m)`:                                        false,
	} {
		found := check(migrate.Query{Text: query}, metrics, metrics)
		if len(found) != 1 || !found[0].Unchecked || strings.HasPrefix(found[0].Text, "is MetricsQL, which only VictoriaMetrics reads, not PromQL: ") != metricsQL {
			t.Errorf("%s: %+v", query, found)
		}
	}
}
