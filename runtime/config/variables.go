package config

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

const (
	prefix = "EKIBEN_"
	// FileVariable is the variable that names the configuration file.
	FileVariable = prefix + "CONFIG"
)

// kubernetes matches variables that Kubernetes sets in every pod for a service
// whose name begins with ekiben: EKIBEN_WEB_SERVICE_HOST=…,
// EKIBEN_WEB_PORT=tcp://….
var kubernetes = regexp.MustCompile(`^EKIBEN_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST=|SERVICE_PORT(?:_[A-Z0-9_]+)?=\d|PORT=\w+://|PORT_\d+_[A-Z]+(?:=\w+://|_PROTO=|_PORT=|_ADDR=))`)

// variables merges the EKIBEN_ variables. Two of them must not give one key.
func (l *loader) variables(environ []string) {
	values := map[string]string{} // the last value counts, as a process sees it
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, prefix) && name != FileVariable && !kubernetes.MatchString(variable) {
			values[name] = value
		}
	}
	given := &tree.Node{Kind: tree.Map}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		own := &tree.Node{Kind: tree.Map}
		l.variable(own, name, values[name])
		l.twice(nil, given, own)
		given = given.Merge(own)
	}
	l.merge(given)
}

// twice reports the keys of two variables that are the same.
func (l *loader) twice(path []string, first, second *tree.Node) {
	for _, e := range second.Entries {
		before, at := first.Get(e.Key), append(path[:len(path):len(path)], e.Key)
		switch {
		case before == nil:
		case before.Kind == tree.Map && e.Value.Kind == tree.Map:
			l.twice(at, before, e.Value)
		default:
			for len(before.Entries) > 0 { // a variable below it
				before = before.Entries[0].Value
			}
			l.fail(&Problem{Where: Place(e.Value.Where), Key: strings.Join(at, "."), Text: "given twice, first in " + before.Where.Name})
		}
	}
}

func (l *loader) variable(given *tree.Node, name, value string) {
	where := Place{Name: name}
	k, path := root(), []string(nil)
	levels := strings.Split(strings.TrimPrefix(name, prefix), "__")
	for i, level := range levels {
		found := l.spelled(k, path, level)
		below := k.find(found)
		if below == nil {
			text := k.unknown(found).asVariables(path, levels[i+1:]).String()
			if meant := withLevels(name); meant != "" {
				text = "unknown key; did you mean " + meant + "?"
			}
			l.fail(&Problem{Where: where, Key: strings.Join(append(path, found), "."), Text: text})
			return
		}
		k, path = below, append(path, found)
	}
	l.give(given, k, path, value, where)
}

// withLevels returns the variable that differs from name only in having __ for
// some _, or "".
func withLevels(name string) string {
	flat := strings.ReplaceAll(strings.ToUpper(name), "__", "_")
	for _, known := range Keys() {
		full := variableOf(known)
		if strings.ReplaceAll(full, "__", "_") == flat {
			return full
		}
	}
	return ""
}

// variableOf returns the variable of a dotted key.
func variableOf(dotted string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(dotted, ".", "__"))
}

// spelled returns the name of a level as the configuration spells it.
func (l *loader) spelled(k *key, path []string, level string) string {
	if k.kind != table {
		return strings.ToLower(level)
	}
	known := l.names
	for name := range l.m.places { // names that files gave
		if below, ok := strings.CutPrefix(name, strings.Join(path, ".")+"."); ok {
			name, _, _ := strings.Cut(below, ".")
			known = append(known[:len(known):len(known)], name)
		}
	}
	known = append(known[:len(known):len(known)], l.standard.At(path).Keys()...)
	for _, name := range known {
		if strings.EqualFold(name, level) || strings.EqualFold(shellName(name), level) {
			return name
		}
	}
	return level
}

// shellName returns a name with _ for characters that a variable cannot hold.
func shellName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// give adds a value from outside a file to the tree.
func (l *loader) give(given *tree.Node, k *key, path []string, value string, where Place) {
	n := &tree.Node{Kind: tree.Scalar, Text: value, Value: value, Quoted: true}
	switch k.kind {
	case text, secret, address: // taken literally
		if value == "" && len(k.oneof) > 0 {
			return // an empty variable is ignored
		}
	default:
		if strings.TrimSpace(value) == "" {
			return
		}
		var err error
		if n, err = parseValue(k, value); err != nil {
			l.fail(&Problem{Where: where, Key: strings.Join(path, "."), Text: err.Error()})
			return
		}
	}
	moved(n, where)
	given.Put(path, n)
}

// parseValue reads YAML. A list needs no brackets: 0.1,0.5.
func parseValue(k *key, value string) (*tree.Node, error) {
	if (k.kind == numbers || k.kind == texts) && !strings.HasPrefix(strings.TrimSpace(value), "[") && value != "null" {
		value = "[" + value + "]"
	}
	doc, err := tree.Parse("", []byte("value: "+value))
	if err != nil {
		var p *tree.Problem
		if errors.As(err, &p) {
			return nil, &Problem{Text: p.Text} // the line is always 1
		}
		return nil, err
	}
	if len(doc.Duplicates) > 0 {
		return nil, &Problem{Text: doc.Duplicates[0].Text}
	}
	if len(doc.Root.Entries) != 1 {
		return nil, &Problem{Text: "must be one value"}
	}
	return doc.Root.Get("value"), nil
}

// moved sets the place of n and everything below it.
func moved(n *tree.Node, where Place) {
	n.Where = tree.Place(where)
	for _, item := range n.Items {
		moved(item, where)
	}
	for i := range n.Entries {
		n.Entries[i].Where = tree.Place(where)
		moved(n.Entries[i].Value, where)
	}
}

// settings merges single keys, one after the other.
func (l *loader) settings(settings []Setting) {
	for _, s := range settings {
		where := Place{Name: s.From}
		path, k := splitKey(s.Key)
		if k == nil {
			l.fail(unknownAt(where, s.Key, path))
			continue
		}
		given := &tree.Node{Kind: tree.Map}
		l.give(given, k, path, s.Value, where)
		l.merge(given)
	}
}

// unknownAt returns the error for a dotted key whose path ends with an unknown level.
func unknownAt(where Place, dotted string, path []string) *Problem {
	if path[len(path)-1] == "" { // a dot at the start, or two dots
		return &Problem{Where: where, Key: dotted, Text: "unknown key: it must have a name before and after each dot"}
	}
	return &Problem{Where: where, Key: strings.Join(path, "."), Text: noKey(path)}
}

// noKey returns the error for a path whose last level is unknown.
func noKey(path []string) string {
	above := path[:len(path)-1]
	if parent := lookup(above); parent.kind == section {
		return parent.unknown(path[len(path)-1]).below(above).String()
	}
	return "unknown key; " + strings.Join(above, ".") + " has none below it"
}

// splitKey splits a dotted key into its levels and returns the key. If a level
// is unknown, the key is nil and the path ends with that level. A name in a
// table may hold dots: metrics.endpoints./v1.0/score.slo.
func splitKey(dotted string) ([]string, *key) {
	var path []string
	k, rest := root(), dotted
	for rest != "" {
		name, after, _ := strings.Cut(rest, ".")
		if k.kind == table {
			name, after = splitName(k, rest)
		}
		path = append(path, name)
		if k = k.find(name); k == nil {
			return path, nil
		}
		if k.isValue() && after != "" {
			next, _, _ := strings.Cut(after, ".")
			return append(path, next), nil
		}
		rest = after
	}
	return path, k
}

// splitName separates the name of a table's entry from the known key after it.
// The longest such name wins.
func splitName(k *key, rest string) (name, after string) {
	if k.each.isValue() {
		return rest, ""
	}
	for at := len(rest); at > 0; at = strings.LastIndex(rest[:at], ".") {
		if at < len(rest) && k.each.find(strings.SplitN(rest[at+1:], ".", 2)[0]) != nil {
			return rest[:at], rest[at+1:]
		}
	}
	if strings.HasPrefix(rest, "/") {
		return rest, ""
	}
	name, after, _ = strings.Cut(rest, ".")
	return name, after
}
