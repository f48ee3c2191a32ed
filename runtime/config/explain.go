package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Explanation describes one key and its value. `ekiben explain --output json` prints
// it, so a field keeps its name.
type Explanation struct {
	Key     string `json:"key"`            // dotted
	Value   string `json:"value"`          // YAML; secrets are hidden
	Source  string `json:"source"`         // "default", "code", a file's line, a variable or a flag
	Meaning string `json:"meaning"`        // the tag doc
	Type    string `json:"type"`           // in words: "whole number, 1 or more"
	Unit    string `json:"unit,omitempty"` // of a number; "": none
	Default string `json:"default"`        // YAML; null: no value
	Reload  bool   `json:"reload"`         // whether it can change while a server runs
	// Inherits is the key that Value and Source come from, if a service or a route
	// has no value of its own. "": Value is the key's own.
	Inherits string `json:"inherits,omitempty"`
	// Overrides lists the values of services, routes and signals that replace
	// Value.
	Overrides []Override `json:"overrides,omitempty"`
}

// Override is a value that replaces the value of another key for one service, route
// or signal. Its fields are those of [Explanation].
type Override struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Explain describes the key called name and every key below it, in the order of
// config.yaml. "": every key. The keys of a service or a route are included if they are
// given, or if name names the entry, as services.Encoder does. The result is empty if
// there is no such key; [UnknownKey] makes the error.
func (l *Loaded) Explain(name string) []Explanation {
	e := newExplainer(l)
	var all []Explanation
	add := func(path []string, k *key) {
		if within(name, strings.Join(path, ".")) {
			all = append(all, e.explain(path, k))
		}
	}
	explainSection(root(), nil, reflect.ValueOf(l.Config), add)
	if path, k := splitKey(name); len(all) == 0 && k != nil { // a key of an entry that is not given
		switch {
		case !k.isValue():
			explainSection(k, path, reflect.Value{}, add)
		case len(overridden(path)) > 0:
			add(path, k)
		}
	}
	return all
}

// within reports whether a dotted key is name, or below it.
func within(name, dotted string) bool {
	return name == "" || dotted == name || strings.HasPrefix(dotted, name+".")
}

// explainer holds the printed values of a configuration, by dotted key.
type explainer struct {
	places           places
	values, defaults map[string]string
	overrides        map[string][]Override // by the key that they override
}

// newExplainer collects the overrides of each key from the places, because only given
// values override.
func newExplainer(l *Loaded) explainer {
	e := explainer{l.places, shown(l.Config), shown(Default()), map[string][]Override{}}
	for _, given := range slices.Sorted(maps.Keys(l.places)) {
		path, _ := splitKey(given)
		for _, above := range overridden(path) {
			e.overrides[above] = append(e.overrides[above], Override{given, orNull(e.values, given), e.source(given)})
		}
	}
	return e
}

func (e explainer) explain(path []string, k *key) Explanation {
	dotted := strings.Join(path, ".")
	found := Explanation{Key: dotted, Meaning: k.doc, Type: strings.ReplaceAll(k.typeName(), "`", ""), Unit: k.unit, Default: orNull(e.defaults, dotted), Reload: k.reloadable()}
	found.Value, found.Source = orNull(e.values, dotted), e.source(dotted)
	if above := e.inherited(path); above != "" {
		found.Inherits, found.Value, found.Source = above, orNull(e.values, above), e.source(above)
	}
	found.Overrides = e.overrides[dotted]
	return found
}

func (e explainer) source(dotted string) string {
	if at, ok := e.places[dotted]; ok {
		return at.String()
	}
	return "default"
}

// overridden lists the keys that the one at path overrides, the nearest first.
func overridden(path []string) []string {
	var above [][]string
	switch {
	case len(path) > 5 && path[0] == "services" && path[3] == "endpoints":
		above = [][]string{path[2:], append([]string{"services", path[1], "traffic"}, path[5:]...), append([]string{"traffic"}, path[5:]...)}
	case len(path) > 2 && path[0] == "services":
		above = [][]string{path[2:]}
	case len(path) > 3 && (path[0] == "metrics" || path[0] == "traffic") && path[1] == "endpoints":
		above = [][]string{append([]string{path[0]}, path[3:]...)}
	case len(path) > 2 && path[0] == "otlp" && (path[1] == "metrics" || path[1] == "traces"):
		above = [][]string{append([]string{"otlp"}, path[2:]...)}
	}
	var keys []string
	for _, path := range above {
		if k := lookup(path); k != nil && k.isValue() {
			keys = append(keys, strings.Join(path, "."))
		}
	}
	return keys
}

// inherited returns the key that gives the one at path its value, or "" if it
// has a value of its own. The boundaries of a route are inherited together.
func (e explainer) inherited(path []string) string {
	above := overridden(path)
	if len(above) == 0 || path[0] == "otlp" { // for a signal's keys, "" and null are values
		return ""
	}
	own := []string{strings.Join(path, ".")}
	if path[0] == "metrics" && path[3] == "duration" {
		own = nil
		for _, part := range []string{"buckets", "min", "max", "factor"} {
			own = append(own, strings.Join(append(slices.Clone(path[:4]), part), "."))
		}
	}
	given := func(key string) bool { _, ok := e.places[key]; return ok }
	if slices.ContainsFunc(own, given) {
		return ""
	}
	if i := slices.IndexFunc(above, given); i >= 0 {
		return above[i]
	}
	return above[len(above)-1]
}

func orNull(values map[string]string, dotted string) string {
	if v, ok := values[dotted]; ok {
		return v
	}
	return "null"
}

// explainSection calls add for every key below k, given or not. v is the
// section's value, or the zero Value if it is not given.
func explainSection(k *key, path []string, v reflect.Value, add func([]string, *key)) {
	for _, b := range k.below {
		at := append(slices.Clone(path), b.name)
		var f reflect.Value
		if v.IsValid() {
			f = v.FieldByIndex(b.index)
		}
		switch b.kind {
		case section:
			explainSection(b, at, f, add)
		case table:
			if !f.IsValid() || f.Len() == 0 {
				add(at, b)
				continue
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

// shown returns every value that is not nil as YAML, by dotted key.
func shown(c Config) map[string]string {
	all := map[string]string{}
	eachValue(root(), nil, reflect.ValueOf(c), func(k *key, path []string, v reflect.Value) {
		if k.isValue() {
			all[strings.Join(path, ".")] = k.show(v)
		}
	})
	return all
}

// UnknownKey returns the error for a name for which [Loaded.Explain] returns nothing:
// a [Problem] that suggests a key, or says that the entry is not given.
func UnknownKey(name string) error {
	path, k := splitKey(name)
	if k != nil {
		return &Problem{Key: name, Text: "is not given"}
	}
	return unknownAt(Place{}, name, path)
}

// Keys lists the dotted keys that have values. NAME and ROUTE stand for the
// names of services, headers and routes.
func Keys() []string {
	var all []string
	root().walk(func(k *key) { all = append(all, k.path) })
	return all
}
