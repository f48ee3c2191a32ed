package migrate

import (
	"regexp"
	"slices"
)

// unread adds the texts below n that may be queries and were not read. The report has
// only those that name a metric of the old server: without them, a query in a form
// that is not known here would count as checked.
func (r *reader) unread(n *node, p place, field string) {
	if n == nil || r.read[n] {
		return
	}
	r.done(n)
	if n.text != "" && (asking.MatchString(field) || queryTemplate.MatchString(n.text)) {
		r.add(Query{Where: p.in(field).at(n.line), Text: n.text, Skip: withoutQueries, unread: true})
	}
	p = p.in(oneOf(n.str("title"), n.str("name"), n.str("alert")))
	for _, item := range n.items {
		r.unread(item, p, field)
	}
	resource := n.get("kind") != nil // of Kubernetes, whose metadata can have a copy of it
	for _, name := range n.keys() {
		if !resource || name != "metadata" && name != "status" {
			r.unread(n.fields[name], p, name)
		}
	}
}

var (
	// asking matches the names of fields that have queries.
	asking = regexp.MustCompile(`(?i)expr|query|metric`)
	// queryTemplate matches a template of Prometheus with a query in it.
	queryTemplate = regexp.MustCompile(`{{.*\bquery\b.*}}`)
)

// done records that n needs no further look.
func (r *reader) done(n *node) {
	if n != nil {
		r.read[n] = true
	}
}

var words = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)

// mentioned returns the first metric of the old server that text names, or "".
func (c checking) mentioned(text string) string {
	for _, word := range words.FindAllString(text, -1) {
		if slices.ContainsFunc(c.before.samples, func(s sample) bool { return s.name == word || s.family == word }) {
			return word
		}
	}
	return ""
}
