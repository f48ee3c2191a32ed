package config

import (
	"reflect"
	"slices"
	"strings"
)

// Explanation is what there is to know about one key.
type Explanation struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Source  string `json:"source"` // "default", "code", a file's line, a variable or a flag
	Meaning string `json:"meaning"`
	Type    string `json:"type"`
	Unit    string `json:"unit,omitempty"`
	Default string `json:"default"`
	Reload  bool   `json:"reload"` // whether it can change while a server runs
}

// Explain explains a key, every key below it, or with "" all of them. Keys of
// tables (services) are there as far as they are given. Nothing is returned
// for a key that does not exist; [UnknownKey] says which one may be meant.
func (l *Loaded) Explain(name string) []Explanation {
	defaults := shown(Default())
	values := shown(l.Config)
	var all []Explanation
	add := func(path []string, k *key) {
		dotted := strings.Join(path, ".")
		if name != "" && dotted != name && !strings.HasPrefix(dotted, name+".") {
			return
		}
		e := Explanation{Key: dotted, Value: "null", Source: "default", Meaning: k.doc, Type: strings.ReplaceAll(k.typeName(), "`", ""), Unit: k.unit, Default: "null", Reload: k.reload}
		if v, ok := values[dotted]; ok {
			e.Value = v
		}
		if v, ok := defaults[dotted]; ok {
			e.Default = v
		}
		if at, ok := l.places[dotted]; ok {
			e.Source = at.String()
		}
		all = append(all, e)
	}
	explainSection(root(), nil, reflect.ValueOf(l.Config), add)
	return all
}

// explainSection visits every key below k, given or not, tables by name.
func explainSection(k *key, path []string, v reflect.Value, add func([]string, *key)) {
	for _, b := range k.below {
		at := append(slices.Clone(path), b.name)
		f := v.FieldByIndex(b.index)
		switch b.kind {
		case section:
			explainSection(b, at, f, add)
		case table:
			if f.Len() == 0 {
				add(at, b)
			}
			for _, name := range sortedNames(f) {
				below := append(slices.Clone(at), name)
				if b.each.isValue() {
					add(below, b.each)
					continue
				}
				explainSection(b.each, below, f.MapIndex(reflect.ValueOf(name)), add)
			}
		default:
			add(at, b)
		}
	}
}

// shown is every value that is not nil, by dotted key, as a file would have it.
func shown(c Config) map[string]string {
	all := map[string]string{}
	eachValue(root(), nil, reflect.ValueOf(c), func(k *key, path []string, v reflect.Value) {
		if k.isValue() {
			all[strings.Join(path, ".")] = k.show(v)
		}
	})
	return all
}

// UnknownKey says that there is no such key, and which one may be meant.
func UnknownKey(name string) error {
	path, k := splitKey(name)
	if k != nil {
		return &Problem{Key: name, Text: "is given nowhere"}
	}
	return &Problem{Key: strings.Join(path, "."), Text: noKey(path)}
}

// Keys lists the dotted keys that have values, with NAME and ROUTE for the
// names of tables.
func Keys() []string {
	var all []string
	root().walk(func(k *key) { all = append(all, k.path) })
	return all
}
