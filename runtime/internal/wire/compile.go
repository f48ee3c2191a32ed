package wire

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type kind int

const (
	kindAny kind = iota // whatever the type makes of it
	kindObject
	kindDict
	kindList
	kindString
	kindInteger
	kindFloat
	kindBool
)

// node is a Go type as the wire sees it.
type node struct {
	kind     kind
	name     string // of a struct
	format   string
	nullable bool
	fields   []*field
	byName   map[string]*field
	elem     *node
	key      *node        // of a dict whose keys are integers
	anyKey   bool         // of a dict whose keys are any text
	own      reflect.Type // that makes what it likes of its JSON; nil: nobody does
	length   int          // of an array; 0: a slice
	low      int64        // bounds of an integer type
	high     uint64
	rules    rules
}

// field is a parameter, or a field of a nested struct.
type field struct {
	index    int
	name     string
	doc      string
	node     *node
	required bool
	fallback any // the default, as a tree; nil: null, or no default
	hasValue bool
	example  any // of the tag, as a tree; nil: none
}

// rules are the constraints that struct tags give.
type rules struct {
	minLength, maxLength *int
	minItems, maxItems   *int
	minimum, maximum     *float64
	above, below         *float64
	multipleOf           *float64
	pattern              *regexp.Regexp
	enum                 []string
}

// compiler follows a type and collects what is wrong with it.
type compiler struct {
	errs   []error
	output bool
	done   map[reflect.Type]*node
	// pointers are nodes that say what another says, and null. That other one
	// may still be in the making, where a type contains itself.
	pointers []pointer
}

type pointer struct{ node, to *node }

func (c *compiler) resolve() {
	for _, p := range c.pointers {
		*p.node = *p.to
		p.node.nullable = true
	}
}

func compile(t reflect.Type) (*node, error) { return run(t, false) }

// compileOutput is compile without the tags, which guard inputs only.
func compileOutput(t reflect.Type) (*node, error) { return run(t, true) }

func run(t reflect.Type, output bool) (*node, error) {
	c := &compiler{output: output, done: map[reflect.Type]*node{}}
	n := c.node(t, t.String())
	c.resolve()
	return n, errors.Join(c.errs...)
}

func (c *compiler) failf(where, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(where+": "+format, args...))
}

var (
	timeType = reflect.TypeFor[time.Time]()
	ownJSON  = []reflect.Type{
		reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Marshaler](),
	}
	ownText = []reflect.Type{reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[encoding.TextMarshaler]()}
)

func implements(t reflect.Type, interfaces []reflect.Type) bool {
	for _, i := range interfaces {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func (c *compiler) node(t reflect.Type, where string) *node {
	switch {
	case t.Kind() == reflect.Pointer: // before its methods, which are those of what it points to
		below := &node{nullable: true}
		c.pointers = append(c.pointers, pointer{below, c.node(t.Elem(), where)})
		c.resolve()
		return below
	case t == timeType:
		return &node{kind: kindAny, format: "date-time", own: t}
	case t == reflect.TypeFor[jsontext.Value]() || implements(t, ownJSON):
		return &node{kind: kindAny, own: t}
	case implements(t, ownText):
		return &node{kind: kindAny, format: "text", own: t}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &node{kind: kindBool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits() - 1
		return &node{kind: kindInteger, low: -1 << bits, high: 1<<bits - 1}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return &node{kind: kindInteger, high: math.MaxUint64 >> (64 - t.Bits())}
	case reflect.Float32, reflect.Float64:
		return &node{kind: kindFloat}
	case reflect.String:
		return &node{kind: kindString}
	case reflect.Interface:
		if t.NumMethod() == 0 || c.output {
			return &node{kind: kindAny}
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return &node{kind: kindAny, format: "binary", own: t, length: arrayLen(t)}
		}
		return &node{kind: kindList, elem: c.node(t.Elem(), where+"[]"), length: arrayLen(t)}
	case reflect.Map:
		if !mapKey(t.Key()) {
			c.failf(where, "a map's keys must be strings or integers, found %s", t.Key())
		}
		n := &node{kind: kindDict, elem: c.node(t.Elem(), where+"{}")}
		switch key := c.node(t.Key(), where+"{}"); key.kind {
		case kindInteger:
			n.key = key
		case kindString:
			n.anyKey = true
		}
		return n
	case reflect.Struct:
		return c.object(t, where)
	}
	c.failf(where, "cannot be sent as JSON: %s", t)
	return &node{kind: kindAny}
}

func arrayLen(t reflect.Type) int {
	if t.Kind() == reflect.Array {
		return t.Len()
	}
	return 0
}

func mapKey(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 || implements(t, ownText)
}

func (c *compiler) object(t reflect.Type, where string) *node {
	if known, ok := c.done[t]; ok {
		return known // of a recursive type it is still being filled
	}
	n := &node{kind: kindObject, name: t.Name(), byName: map[string]*field{}}
	c.done[t] = n
	c.collect(n, t, where)
	for i, f := range n.fields {
		f.index = i
	}
	return n
}

// collect adds t's fields to n, an embedded struct's among them; an outer field
// hides an inner one of the same name.
func (c *compiler) collect(n *node, t reflect.Type, where string) {
	var embedded []reflect.StructField
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case sf.Anonymous && name == "" && structOf(sf.Type) != nil:
			embedded = append(embedded, sf)
			continue
		case !sf.IsExported():
			continue
		}
		name = strings.Trim(name, "'")
		if name == "" {
			name = sf.Name
		}
		if n.byName[name] != nil {
			continue
		}
		f := c.field(sf, name, options, where+"."+sf.Name)
		n.fields = append(n.fields, f)
		n.byName[name] = f
	}
	for _, sf := range embedded {
		c.collect(n, structOf(sf.Type), where+"."+sf.Name)
	}
}

func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t != timeType && !implements(t, ownJSON) {
		return t
	}
	return nil
}

func (c *compiler) field(sf reflect.StructField, name, options, where string) *field {
	f := &field{name: name, doc: sf.Tag.Get("doc"), node: c.node(sf.Type, where)}
	if c.output {
		return f
	}
	optional := strings.Contains(","+options+",", ",omitempty,") || strings.Contains(","+options+",", ",omitzero,")
	if strings.Contains(","+options+",", ",string,") {
		f.node = &node{kind: kindAny}
	}
	c.misspelt(sf, where)
	var own rules
	if c.tags(&own, f.node, sf, where) {
		constrained := *f.node
		constrained.rules = own
		f.node = &constrained
	}
	if text, ok := sf.Tag.Lookup("default"); ok {
		f.hasValue = true
		f.fallback = c.value(f.node, "default", text, where)
	} else if f.node.nullable {
		f.hasValue = true
	}
	if text, ok := sf.Tag.Lookup("example"); ok {
		f.example = c.value(f.node, "example", text, where)
	}
	f.required = !f.hasValue && !optional
	return f
}
