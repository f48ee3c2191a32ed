package migrate

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Read returns the queries of a JSON or YAML file. It finds Grafana dashboards of
// both schemas, Prometheus, Mimir and Grafana rules, KEDA ScaledObjects,
// HorizontalPodAutoscalers, rules of prometheus-adapter and analyses of Argo
// Rollouts, alone, in a list, or inside another object such as a ConfigMap. name is the name of the file in
// errors. A file without queries is an error. A query of another data source is
// returned with the reason why it is skipped.
func Read(name string, content []byte) ([]Query, error) {
	documents, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := reader{read: map[*node]bool{}}
	for _, document := range documents {
		r.document(document, place{file: name})
		r.unread(document, place{file: name}, "")
	}
	if !slices.ContainsFunc(r.queries, func(q Query) bool { return q.Skip != withoutQueries }) {
		return nil, fmt.Errorf("%s: must have queries of a Grafana dashboard, of rules or of an autoscaler, found none", name)
	}
	return r.queries, nil
}

const withoutQueries = "it has no queries"

type reader struct {
	queries []Query
	read    map[*node]bool // what need not be looked at again
}

// place is where a value stands: a file, its line, and titles and names from the
// outside to the inside.
type place struct {
	file string
	path string
}

func (p place) in(names ...string) place {
	for _, name := range names {
		if name != "" {
			p.path += " › " + name
		}
	}
	return p
}

// at is p as findings show it. line is left out if it is 0.
func (p place) at(line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d%s", p.file, line, p.path)
	}
	return p.file + p.path
}

func (r *reader) add(q Query) { r.queries = append(r.queries, q) }

// document reads one of several objects of a file. An object without queries is
// reported, since its author may expect some.
func (r *reader) document(n *node, p place) {
	before := len(r.queries)
	r.visit(n, p)
	if len(r.queries) == before && n != nil {
		r.add(Query{Where: p.in(n.str("kind"), n.str("metadata", "name"), n.str("title")).at(n.line), Skip: withoutQueries})
	}
}

// visit reads an object of a known form, and otherwise looks at its fields.
func (r *reader) visit(n *node, p place) {
	switch kind := n.str("kind"); {
	case n == nil:
	case kind == "GrafanaDashboard":
		r.dashboardResource(n, p)
	case kind == "HorizontalPodAutoscaler":
		r.podAutoscaler(n, p)
	case hasField(n.list("spec", "metrics"), "provider"):
		r.analysis(n, p)
	case hasField(n.list("spec", "triggers"), "metadata"):
		r.scaledObject(n, p)
	case hasField(n.list("triggers"), "metadata"):
		r.triggers(n, p)
	case n.str("seriesQuery") != "":
		r.adapterRule(n, p)
	case n.str("containerQuery") != "":
		r.adapterResource(n, p)
	case isGroup(n):
		r.group(n, p)
	case hasField(n.list("data"), "model"):
		r.grafanaRule(n, p)
	case isElements(n.get("elements")):
		r.dashboardV2(n, p)
	case isDashboard(n):
		r.dashboard(n, p)
	default:
		r.inside(n, p)
	}
}

func (r *reader) inside(n *node, p place) {
	p = p.in(n.str("namespace"), n.str("metadata", "namespace"))
	for _, item := range n.items {
		r.document(item, p)
	}
	for _, name := range n.keys() {
		switch inner := n.fields[name]; {
		case name == "metadata", name == "status": // of Kubernetes: a copy of the object, or no configuration
		case inner == nil:
		case len(inner.fields)+len(inner.items) > 0:
			r.visit(inner, p)
		default:
			r.embedded(inner, p.in(name), isFile(name))
		}
	}
}

// embedded reads a document that is the string n, as in a ConfigMap. A string that
// looks like none is ignored unless it must be a document.
func (r *reader) embedded(n *node, p place, must bool) {
	content := unpacked(n.text)
	if text := strings.TrimSpace(string(content)); !must && !strings.Contains(text, "\n") && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return
	}
	documents, err := decode(content)
	if err != nil && must {
		r.add(Query{Where: p.at(n.line), Unreadable: err.Error()})
	}
	for _, document := range documents {
		if len(document.keys())+len(document.list()) > 0 {
			r.done(n)
		}
		r.visit(document, place{file: p.at(0)})
		r.unread(document, place{file: p.at(0)}, "")
	}
}

// isFile reports whether name is the name of a JSON or YAML file.
func isFile(name string) bool {
	return slices.ContainsFunc([]string{".json", ".yaml", ".yml"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// unpacked decodes base64 and gzip, which hold large dashboards. Other text is
// returned as it is.
func unpacked(text string) []byte {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return []byte(text)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(decoded))
	if err != nil {
		return decoded
	}
	content, err := io.ReadAll(io.LimitReader(unzipped, maxSize))
	if err != nil {
		return decoded
	}
	return content
}

func hasField(list []*node, name string) bool {
	return slices.ContainsFunc(list, func(n *node) bool { return n.get(name) != nil })
}
