package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// key describes one key of the configuration. It is made from a field and its
// tags.
type key struct {
	name     string
	path     string // dotted, with the placeholder of a table: services.NAME.workers
	kind     kind
	typ      reflect.Type // without pointer
	index    []int        // of the field in the struct above it
	optional bool         // a pointer, list or map: null is a value
	doc      string
	unit     string
	min, max *float64
	oneof    []string
	also     string   // a string that is allowed in place of a number
	instead  []string // sibling keys whose values it replaces
	reload   bool
	below    []*key // of a section, in the struct's order
	each     *key   // of a table: describes each of its values
}

// kind is the type of a key's value.
type kind uint8

const (
	section kind = iota // a mapping of known keys
	table               // a mapping of names to values
	text                // this and all that follow are values
	boolean
	whole
	number
	size
	duration
	milliseconds
	numbers
	texts
	secret
	address
)

var kindNames = map[kind]string{
	section: "section", table: "table", text: "string", boolean: "true or false", whole: "whole number", number: "number",
	size: "size", duration: "duration", milliseconds: "duration", numbers: "list of numbers", texts: "list of strings", secret: "secret", address: "URL",
}

// reloadable reports whether the key, or every key below it, can change while a
// server runs.
func (k *key) reloadable() bool {
	switch {
	case k.kind == table && k.each.kind == section:
		return k.each.reloadable()
	case k.kind == section:
		return !slices.ContainsFunc(k.below, func(b *key) bool { return !b.reloadable() })
	}
	return k.reload
}

// isValue reports whether the key has a value, and not keys below it.
func (k *key) isValue() bool { return k.kind > table }

// root returns the description of the whole configuration.
var root = sync.OnceValue(func() *key {
	r := &key{kind: section, typ: reflect.TypeFor[Config]()}
	r.below = fields(r.typ, nil, "")
	return r
})

// fields returns the keys of a struct. The keys of a squashed field belong to the
// struct itself; index leads to them through that field.
func fields(t reflect.Type, index []int, path string) []*key {
	var keys []*key
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		if option == "squash" {
			keys = append(keys, fields(f.Type, at, path)...)
			continue
		}
		keys = append(keys, newKey(f, name, at, path))
	}
	return keys
}

func newKey(f reflect.StructField, name string, index []int, path string) *key {
	k := &key{
		name: name, path: strings.TrimPrefix(path+"."+name, "."), typ: f.Type, index: index,
		doc: f.Tag.Get("doc"), unit: f.Tag.Get("unit"), also: f.Tag.Get("also"), reload: f.Tag.Get("reload") == "true",
		oneof: list(f.Tag.Get("oneof")), instead: list(f.Tag.Get("instead")), min: bound(f.Tag.Get("min")), max: bound(f.Tag.Get("max")),
	}
	switch f.Type.Kind() {
	case reflect.Pointer:
		k.optional, k.typ = true, f.Type.Elem()
	case reflect.Slice, reflect.Map:
		k.optional = true
	}
	k.kind = kindOf(k.typ, k.unit)
	switch k.kind {
	case section:
		k.below = fields(k.typ, nil, k.path)
	case table:
		each := f.Tag.Get("key")
		k.each = &key{name: each, path: k.path + "." + each, typ: k.typ.Elem(), doc: k.doc}
		k.each.kind = kindOf(k.each.typ, "")
		if k.each.kind == section {
			k.each.below = fields(k.each.typ, nil, k.each.path)
		}
	}
	return k
}

// kindOf returns the kind of a field's type. It compares whole types first: a Duration
// is an int64 too, and a Secret is a struct.
func kindOf(t reflect.Type, unit string) kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		if unit == "milliseconds" {
			return milliseconds
		}
		return duration
	case reflect.TypeFor[Secret]():
		return secret
	case reflect.TypeFor[URL]():
		return address
	case reflect.TypeFor[[]float64]():
		return numbers
	case reflect.TypeFor[[]string](), reflect.TypeFor[[]Pattern]():
		return texts
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return text
	}
	switch t.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return boolean
	case reflect.Int:
		return whole
	case reflect.Int64:
		return size
	case reflect.Float64:
		return number
	case reflect.Struct:
		return section
	case reflect.Map:
		return table
	}
	panic(fmt.Sprintf("config: no key can have the type %s", t)) //nolint:forbidigo // a mistake in our own structs, which every test finds
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func bound(s string) *float64 {
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("config: " + err.Error()) //nolint:forbidigo // as above
	}
	return &f
}

// find returns the key below k with a name, or nil. A table has every name.
func (k *key) find(name string) *key {
	if k.kind == table {
		return k.each
	}
	for _, b := range k.below {
		if b.name == name {
			return b
		}
	}
	return nil
}

// lookup returns the key at a path of names, or nil.
func lookup(path []string) *key {
	k := root()
	for _, name := range path {
		if k = k.find(name); k == nil {
			return nil
		}
	}
	return k
}

// walk calls visit, in order, for k and each key below it that has a value.
func (k *key) walk(visit func(*key)) {
	switch {
	case k.isValue():
		visit(k)
	case k.kind == table:
		k.each.walk(visit)
	}
	for _, b := range k.below {
		b.walk(visit)
	}
}
