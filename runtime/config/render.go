package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// YAML returns every key with its value. [Source.Load] reads it back to an
// equal configuration, except for secrets, which are hidden.
func (c Config) YAML() string {
	var b strings.Builder
	yamlSection(root(), reflect.ValueOf(c), 0, func(depth int, k *key, value string) {
		line(&b, depth, k.name, value)
	}, func(depth int, name, value string) { line(&b, depth, name, value) })
	return b.String()
}

func line(b *strings.Builder, depth int, name, value string) {
	b.WriteString(strings.Repeat("  ", depth) + quote(name) + ":")
	if value != "" {
		b.WriteString(" " + value)
	}
	b.WriteByte('\n')
}

// yamlSection calls known for each key and named for each name in a table. The
// value is YAML, or "" if more lines follow.
func yamlSection(k *key, v reflect.Value, depth int, known func(int, *key, string), named func(int, string, string)) {
	for _, b := range k.below {
		f := v.FieldByIndex(b.index)
		switch {
		case b.optional && f.IsNil():
			known(depth, b, "null")
			continue
		case f.Kind() == reflect.Pointer:
			f = f.Elem()
		}
		switch b.kind {
		case section:
			known(depth, b, "")
			yamlSection(b, f, depth+1, known, named)
		case table:
			yamlTable(b, f, depth, known, named)
		default:
			known(depth, b, b.show(f))
		}
	}
}

func yamlTable(k *key, v reflect.Value, depth int, known func(int, *key, string), named func(int, string, string)) {
	if v.Len() == 0 {
		known(depth, k, "null")
		return
	}
	known(depth, k, "")
	for _, name := range sortedNames(v) {
		entry := v.MapIndex(reflect.ValueOf(name))
		if k.each.isValue() {
			named(depth+1, name, k.each.show(entry))
			continue
		}
		named(depth+1, name, "")
		yamlSection(k.each, entry, depth+2, known, named)
	}
}

func sortedNames(v reflect.Value) []string {
	names := make([]string, 0, v.Len())
	for _, name := range v.MapKeys() {
		names = append(names, name.String())
	}
	slices.Sort(names)
	return names
}

// MarshalJSON returns every key with its value. Durations are numbers in the
// unit of their key; secrets are hidden.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonSection(root(), reflect.ValueOf(c)))
}

func jsonSection(k *key, v reflect.Value) map[string]any {
	object := map[string]any{}
	for _, b := range k.below {
		f := v.FieldByIndex(b.index)
		switch {
		case b.optional && f.IsNil():
			object[b.name] = nil
			continue
		case f.Kind() == reflect.Pointer:
			f = f.Elem()
		}
		object[b.name] = jsonValue(b, f)
	}
	return object
}

func jsonValue(k *key, v reflect.Value) any {
	switch k.kind {
	case section:
		return jsonSection(k, v)
	case table:
		entries := map[string]any{}
		for _, name := range sortedNames(v) {
			entries[name] = jsonValue(k.each, v.MapIndex(reflect.ValueOf(name)))
		}
		return entries
	}
	switch x := visible(v.Interface()).(type) {
	case time.Duration:
		shown := k.showDuration(x)
		if _, err := strconv.ParseFloat(shown, 64); err == nil {
			return json.Number(shown)
		}
		return shown
	case []float64:
		items := make([]any, 0, len(x))
		for _, f := range x {
			items = append(items, jsonFloat(f))
		}
		return items
	case float64:
		return jsonFloat(x)
	default:
		return x
	}
}

// jsonFloat returns infinite numbers as YAML strings, because JSON has no
// number for them.
func jsonFloat(f float64) any {
	if shown := showFloat(f); strings.Contains(shown, "inf") || strings.Contains(shown, "nan") {
		return shown
	}
	return f
}

// example is the start of config.yaml.
const example = `# yaml-language-server: $schema=docs/config.schema.json
#
# Every key of Ekiben with its default, commented out: this file changes nothing.
# Uncomment the keys that you change. ` + "`ekiben serve`" + ` reads config.yaml in the
# working directory if there is no ekiben.yaml, or the file that --config names.
#
# Durations are numbers in the unit of the key, or Go durations ("1.5s", "2m").
# Sizes are numbers of bytes, or "10MiB". docs/configuration.md has tables.
`

// Example returns the text of config.yaml: every key with its default and its
// meaning, commented out.
func Example() string {
	const column, width = 34, 118
	var b strings.Builder
	b.WriteString(example)
	write := func(depth int, k *key, value string) {
		if depth == 0 {
			b.WriteByte('\n')
		}
		var one strings.Builder
		line(&one, depth, k.name, value)
		start := "#" + strings.TrimSuffix(one.String(), "\n")
		for _, words := range wrap(k.meaning(), width-column) {
			fmt.Fprintf(&b, "%-*s # %s\n", column, start, words)
			start = "#"
		}
	}
	yamlSection(root(), reflect.ValueOf(Default()), 0, write, nil)
	return b.String()
}

// meaning returns the description of the key with its unit.
func (k *key) meaning() string {
	if k.unit == "" {
		return k.doc
	}
	return k.doc + " In " + k.unit + "."
}

// wrap breaks a string into lines of at most width characters.
func wrap(s string, width int) []string {
	var lines []string
	var current string
	for _, word := range strings.Fields(s) {
		switch {
		case current == "":
			current = word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width:
			lines, current = append(lines, current), word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// Reference returns the tables of docs/configuration.md.
func Reference() string {
	var b strings.Builder
	defaults := map[string]string{}
	for _, e := range (&Loaded{Config: Default(), places: places{}}).Explain("") {
		defaults[e.Key] = e.Value
	}
	for _, k := range root().below {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", k.name, k.doc)
		b.WriteString("| key | type | unit | default | meaning |\n|---|---|---|---|---|\n")
		k.walk(func(k *key) {
			value, ok := defaults[k.path]
			if !ok {
				value = "null"
			}
			reload := ""
			if k.reload {
				reload = " ↻"
			}
			fmt.Fprintf(&b, "| `%s`%s | %s | %s | `%s` | %s |\n", k.path, reload, k.typeName(), k.unit, value, strings.ReplaceAll(k.doc, "|", "\\|"))
		})
	}
	return b.String()
}

// typeName returns the type of the value in words.
func (k *key) typeName() string {
	switch {
	case k.also != "":
		return "whole number or `" + k.also + "`"
	case len(k.oneof) > 0:
		return "one of `" + strings.TrimPrefix(strings.Join(k.oneof, "`, `"), "`, `") + "`"
	case k.min != nil && k.kind != duration && k.kind != milliseconds:
		return kindNames[k.kind] + ", " + k.span()
	}
	return kindNames[k.kind]
}
