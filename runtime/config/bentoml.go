package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/bentoml"
	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// lift translates a BentoML configuration and merges it.
func (l *loader) lift(root *tree.Node, environ []string) {
	lifted := bentoml.Lift(root, func(name string) (string, bool) { return variable(environ, name) }, l.names)
	for _, n := range lifted.Notices {
		l.notice(Place(n.Where), n.Key, n.Text)
	}
	for _, p := range lifted.Problems {
		l.fail(p)
	}
	l.merge(lifted.Own)
}

// readBentoML returns the tree as BentoML reads it. The last of two equal keys
// applies.
func (l *loader) readBentoML(doc *tree.Document) *tree.Node {
	for _, d := range doc.Duplicates {
		l.notice(Place(d.Where), d.Key, d.Text+"; the last one counts")
	}
	doc.Root.AsPyYAML()
	return doc.Root
}

// variable returns the last value of a variable, as a process sees it.
func variable(environ []string, name string) (string, bool) {
	for _, v := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// bentoMLVariables merges what `bentoml serve` reads from its variables, in the
// same order.
func (l *loader) bentoMLVariables(environ []string) {
	root := &tree.Node{Kind: tree.Map}
	if name, ok := variable(environ, "BENTOML_CONFIG"); ok && name != "" {
		root = root.Merge(l.bentoMLFile(expandPath(name, environ)))
	}
	if text, ok := variable(environ, "BENTOML_CONFIG_OVERRIDES"); ok && text != "" {
		root = root.Merge(l.overrides(text))
	}
	if text, ok := variable(environ, "BENTOML_CONFIG_OPTIONS"); ok {
		root = root.Merge(l.options(text))
	}
	l.lift(root, environ)
	given := &tree.Node{Kind: tree.Map}
	if host, ok := variable(environ, "BENTOML_HOST"); ok && host != "" {
		l.give(given, lookup([]string{"http", "host"}), []string{"http", "host"}, host, Place{Name: "BENTOML_HOST"})
	}
	if port, ok := variable(environ, "BENTOML_PORT"); ok && port != "" {
		l.bentoMLPort(given, port)
	}
	l.merge(given)
}

// bentoMLPort ignores the address that Kubernetes sets for a service called
// bentoml: BENTOML_PORT=tcp://10.0.0.1:3000.
func (l *loader) bentoMLPort(given *tree.Node, port string) {
	where := Place{Name: "BENTOML_PORT"}
	if strings.Contains(port, "://") {
		l.notice(where, "", "has no effect: it is an address that Kubernetes set, not a port")
		return
	}
	l.give(given, lookup([]string{"http", "port"}), []string{"http", "port"}, port, where)
}

func (l *loader) bentoMLFile(name string) *tree.Node {
	empty := &tree.Node{Kind: tree.Map}
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		l.fail(&Problem{Where: Place{Name: "BENTOML_CONFIG"}, Text: fmt.Sprintf("must name a file that ends in .yaml or .yml, found %q", name)})
		return empty
	}
	l.files = append(l.files, name)
	doc, err := tree.ReadFile(name)
	if err != nil {
		l.fail(err)
		return empty
	}
	if doc.Empty {
		l.fail(&Problem{Where: Place{Name: name}, Text: "must hold a key: BentoML does not start with a file that has only comments"})
	}
	return l.readBentoML(doc)
}

// expandPath replaces variables and ~, as BentoML does for this path.
func expandPath(name string, environ []string) string {
	name = os.Expand(name, func(v string) string {
		value, _ := variable(environ, v)
		return value
	})
	if below, ok := strings.CutPrefix(name, "~/"); ok {
		home, _ := variable(environ, "HOME")
		return filepath.Join(home, below)
	}
	return name
}

// overrides reads a JSON object.
func (l *loader) overrides(text string) *tree.Node {
	where := Place{Name: "BENTOML_CONFIG_OVERRIDES"}
	var object map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil || decoder.More() || object == nil {
		l.fail(&Problem{Where: where, Text: "must be one JSON object"})
		return &tree.Node{Kind: tree.Map}
	}
	return fromJSON(object, tree.Place(where))
}

func fromJSON(v any, where tree.Place) *tree.Node {
	n := &tree.Node{Kind: tree.Scalar, Where: where, Value: v, Quoted: true}
	switch v := v.(type) {
	case nil:
		n.Kind = tree.Null
	case map[string]any:
		n.Kind, n.Value = tree.Map, nil
		for key, below := range v {
			n.Entries = append(n.Entries, tree.Entry{Key: key, Where: where, Value: fromJSON(below, where)})
		}
		slices.SortFunc(n.Entries, func(a, b tree.Entry) int { return strings.Compare(a.Key, b.Key) })
	case []any:
		n.Kind, n.Value = tree.List, nil
		for _, item := range v {
			n.Items = append(n.Items, fromJSON(item, where))
		}
	case json.Number:
		n.Text = v.String()
		if i, err := v.Int64(); err == nil {
			n.Value = i
		} else if f, err := v.Float64(); err == nil {
			n.Value = f
		} else {
			n.Value = v.String()
		}
	case bool:
		n.Text = strconv.FormatBool(v)
	case string:
		n.Text = v
	}
	return n
}

// option matches key=value. Levels of the key, and the value, may be in quotes.
var option = regexp.MustCompile(`(?:[^\s"]|"[^"]*")+`)

// options reads BENTOML_CONFIG_OPTIONS: key=value pairs, separated by spaces.
func (l *loader) options(text string) *tree.Node {
	where := Place{Name: "BENTOML_CONFIG_OPTIONS"}
	root := &tree.Node{Kind: tree.Map, Where: tree.Place(where)}
	for _, found := range option.FindAllString(text, -1) {
		dotted, value, ok := strings.Cut(found, "=")
		levels := level.FindAllString(dotted, -1)
		if !ok || len(levels) == 0 {
			l.fail(&Problem{Where: where, Text: "must be key=value pairs with blanks between them, found " + upToKey(found)})
			continue
		}
		for i := range levels {
			levels[i] = strings.Trim(levels[i], `"`)
		}
		doc, err := tree.Parse(where.Name, []byte("value: "+value))
		if err != nil || len(doc.Root.Entries) != 1 {
			l.fail(&Problem{Where: where, Key: strings.Join(levels, "."), Text: "must have a value in YAML"})
			continue
		}
		n := doc.Root.Get("value")
		n.AsPyYAML()
		moved(n, where)
		root.Put(levels, n)
	}
	return root
}

var level = regexp.MustCompile(`[^."]+|"[^"]*"`)
