// Package bentoml translates BentoML's configuration into Ekiben's keys. It accepts
// each file with which BentoML starts, and returns a notice for each key without
// effect. The exception is a metrics.namespace that is empty, or from which no metric
// name can be made that OpenTelemetry keeps: it is refused. So is a file with which
// BentoML does not start, or cannot serve a request.
//
// It follows the schema of bentoml 1.4.39, including how a service's own section
// overrides the defaults under services.
package bentoml

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// Result is the translation of a BentoML configuration.
type Result struct {
	// Own has Ekiben's keys.
	Own *tree.Node
	// Notices are for keys that have no effect, or not the effect that the writer
	// may expect.
	Notices []tree.Problem
	// Problems are errors with which BentoML does not start.
	Problems []error
}

// Is reports whether a file can only be BentoML's: it has a version, a section
// of BentoML's old layout, or below services a key that Ekiben does not have
// there. names are the services that are served.
func Is(root *tree.Node, names []string) bool {
	if root.Get("version") != nil {
		return true
	}
	legacy := false
	for _, key := range root.Keys() {
		switch key {
		case "services", "tracing": // Ekiben has these keys too
		case "api_server", "runners", "monitoring":
			legacy = true
		default:
			return false
		}
	}
	services := root.Get("services")
	return legacy || services != nil && slices.ContainsFunc(services.Entries, func(e tree.Entry) bool {
		return known(e.Key) && !slices.Contains(names, e.Key) || slices.ContainsFunc(e.Value.Keys(), func(key string) bool {
			return known(key) && !slices.Contains(perService, key)
		})
	})
}

type lifter struct {
	Result
	refused map[*tree.Node]bool // values with an error of their own
	entry   string
	names   []string
}

// Lift translates root. names are the services that are served, the entry
// service first. lookup returns the variables of ${NAME}. Lift modifies root.
func Lift(root *tree.Node, lookup func(string) (string, bool), names []string) Result {
	l := &lifter{refused: map[*tree.Node]bool{}, names: names}
	l.Own = &tree.Node{Kind: tree.Map, Where: root.Where}
	if len(names) > 0 {
		l.entry = names[0]
	}
	l.expand("", root, lookup)
	for _, e := range root.Entries {
		switch {
		case e.Key == "version":
			if e.Value.Value != int64(2) {
				l.refuse(e.Value, "version", "absent, or 2")
			}
		case e.Key == "services":
			l.services(e.Value)
		case e.Value.Kind == tree.Map && len(e.Value.Entries) == 0:
			l.notice(e.Where, e.Key, "has no effect: BentoML ignores an empty mapping"+meant(e.Key, []string{"services"}))
		default:
			l.legacy(e)
		}
	}
	l.explain(root)
	return l.Result
}

// explain adds to errors of the layout why the file was read as BentoML's, if a
// version alone says so.
func (l *lifter) explain(root *tree.Node) {
	at := root.Place("version")
	if at.Line == 0 {
		return
	}
	for i, err := range l.Problems {
		var p *tree.Problem
		if errors.As(err, &p) && (p.Key == "version" || strings.HasPrefix(p.Text, notBentoML)) {
			explained := *p
			explained.Text += fmt.Sprintf("; the file is read as a BentoML file because of version in line %d", at.Line)
			l.Problems[i] = &explained
		}
	}
}

// notBentoML begins the error for a key that BentoML does not have at the top.
const notBentoML = "unknown key: BentoML does not start with it"

func (l *lifter) notice(where tree.Place, key, text string) {
	l.Notices = append(l.Notices, tree.Problem{Where: where, Key: key, Text: text})
}

// refuse adds a problem and makes the value null, so that the rest can be
// checked.
func (l *lifter) refuse(n *tree.Node, key, want string) {
	message := "must be " + want
	switch {
	case strings.Contains(key, "password") || strings.Contains(key, "headers"):
		message += found + "something else"
	case !strings.Contains(want, found):
		message += found + n.Describe()
	}
	l.Problems = append(l.Problems, &tree.Problem{Where: n.Where, Key: key, Text: message})
	n.Kind = tree.Null
	l.refused[n] = true
}

// variable is BentoML's own expression, so that the same names are found.
var variable = regexp.MustCompile(`\$\{(.+?)(?::-(.+?))?\}`)

// expand replaces ${NAME} and ${NAME:-default} in strings. The result is always
// a string.
func (l *lifter) expand(path string, n *tree.Node, lookup func(string) (string, bool)) {
	for _, e := range n.Entries {
		key := &tree.Node{Kind: tree.Scalar, Where: e.Where, Text: e.Key, Quoted: e.Quoted}
		if key.AsPyYAML(); !e.Quoted && text(key) != "" {
			l.Problems = append(l.Problems, &tree.Problem{Where: e.Where, Key: join(path, e.Key), Text: "a key must be a string, found " + e.Key + "; put it in quotes"})
		}
		l.expand(join(path, e.Key), e.Value, lookup)
	}
	for _, item := range n.Items {
		l.expand(path, item, lookup)
	}
	s, ok := n.Value.(string)
	if !ok || !strings.Contains(s, "${") {
		return
	}
	n.Text = variable.ReplaceAllStringFunc(s, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		if value, ok := lookup(parts[1]); ok {
			return value
		}
		if parts[2] == "" {
			l.notice(n.Where, path, fmt.Sprintf("the variable %s is not set; an empty string replaces it", parts[1]))
		}
		return parts[2]
	})
	n.Value, n.Quoted = n.Text, true
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (l *lifter) services(n *tree.Node) {
	if want := mapping(n); want != "" {
		l.refuse(n, "services", want)
		return
	}
	defaults := &tree.Node{Kind: tree.Map, Where: n.Where}
	own := &tree.Node{Kind: tree.Map, Where: n.Where} // the entry service's section
	for _, e := range n.Entries {
		switch {
		case known(e.Key):
			defaults.Entries = append(defaults.Entries, e)
		case l.section(e) && e.Key == l.entry:
			own = e.Value
		}
	}
	l.check("services", "", defaults)
	l.process(defaults.Merge(own))
	for _, e := range defaults.Entries {
		l.serviceKeys("", e.Key, e.Value)
	}
}

// known reports whether a key under services is a key of BentoML's, not a
// service.
func known(name string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return k.path == name })
}

// section checks the section of one service and translates the keys that each
// service has for itself.
func (l *lifter) section(e tree.Entry) bool {
	path := "services." + e.Key
	if want := mapping(e.Value); want != "" {
		l.refuse(e.Value, path, want)
		return false
	}
	l.check(path, "", e.Value)
	if !slices.Contains(l.names, e.Key) {
		l.notice(e.Where, path, "no service has this name"+meant(e.Key, slices.Concat(topLevel(), l.names)))
		return false
	}
	for _, below := range e.Value.Entries {
		l.serviceKeys(e.Key, below.Key, below.Value)
		if e.Key != l.entry && slices.Contains(processWide, below.Key) {
			l.notice(below.Where, join(path, below.Key), "has no effect: all services share a process, and the section of "+l.entry+" applies")
		}
	}
	return true
}

// perService lists the sections that each service has for itself, processWide
// those that come from the entry service.
var (
	perService  = []string{"traffic", "batching", "workers"}
	processWide = []string{"metrics", "http", "ssl", "logging", "tracing", "runner_probe"}
)

func topLevel() []string {
	var names []string
	for _, k := range keys {
		if !strings.Contains(k.path, ".") {
			names = append(names, k.path)
		}
	}
	return names
}

// serviceKeys translates a section of perService. name is the service; "": all
// services.
func (l *lifter) serviceKeys(name, section string, n *tree.Node) {
	if !slices.Contains(perService, section) {
		return
	}
	var under []string
	if name != "" {
		under = []string{"services", name}
	}
	l.eachValue(section, n, func(k key, n *tree.Node) {
		if k.path == "traffic.max_concurrency" && n.Kind == tree.Null {
			l.Own.Put(append(under, strings.Split(k.to, ".")...), // no limit: overrides an earlier value
				&tree.Node{Kind: tree.Scalar, Where: n.Where, Text: "0", Value: int64(0)})
			return
		}
		l.put(append(under, strings.Split(k.to, ".")...), n)
	})
}

// eachValue calls visit for the values below n that have a key of ours.
func (l *lifter) eachValue(path string, n *tree.Node, visit func(key, *tree.Node)) {
	if k := find(path); k != nil && k.to != "" {
		visit(*k, n)
		return
	}
	for _, e := range n.Entries {
		l.eachValue(path+"."+e.Key, e.Value, visit)
	}
}

func find(path string) *key {
	for i := range keys {
		if keys[i].path == path {
			return &keys[i]
		}
	}
	return nil
}

// namespace refuses an empty namespace. BentoML's metrics then have no prefix,
// which OpenTelemetry does not support.
func (l *lifter) namespace(n *tree.Node) {
	if n != nil && n.Value == "" {
		l.Problems = append(l.Problems, &tree.Problem{Where: n.Where, Key: "services.metrics.namespace",
			Text: "must not be empty: BentoML then makes metrics without a prefix, which are not supported"})
	}
}

// put sets a key of ours. Null is not set: to BentoML it means "not given".
func (l *lifter) put(path []string, n *tree.Node) {
	if n.Kind != tree.Null {
		l.Own.Put(path, n)
	}
}

// check compares a section with the rules, and adds one notice for each key
// without effect.
func (l *lifter) check(prefix, path string, n *tree.Node) {
	for _, e := range n.Entries {
		at := join(path, e.Key)
		k := find(at)
		if k == nil {
			if !free(path) {
				l.notice(e.Where, prefix+"."+at, "unknown key: BentoML ignores it"+meant(e.Key, below(path)))
			}
			continue
		}
		if want := k.rule(e.Value); want != "" {
			l.refuse(e.Value, prefix+"."+at, want)
			continue
		}
		if k.why != "" {
			l.notice(e.Where, prefix+"."+at, "has no effect: "+k.why)
		}
		if e.Value.Kind == tree.Map {
			l.check(prefix, at, e.Value)
		}
	}
}

// free reports whether BentoML allows any key below path.
func free(path string) bool {
	return path == "monitoring.options" || path == "tracing.otlp.http.headers"
}

// below lists the names of the keys under path.
func below(path string) []string {
	var names []string
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k.path, path+"."); ok && !strings.Contains(name, ".") {
			names = append(names, name)
		} else if path == "" && !strings.Contains(k.path, ".") {
			names = append(names, k.path)
		}
	}
	return names
}

// meant suggests the name that differs least from found, or returns "".
func meant(found string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if d := levenshtein.ComputeDistance(found, name); d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
