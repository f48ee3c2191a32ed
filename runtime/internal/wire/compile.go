package wire

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// compiler makes the node of a type and collects the errors of its declaration.
type compiler struct {
	attachments []Attachment
	errs        []error
	output      bool
	dynamic     bool // the type contains an any
	named       bool // the type contains another empty interface, or a json.Number
	done        map[reflect.Type]*node
	// pointers has nodes that copy another node and add null. The other node may be
	// unfinished when the pointer is found, because a type can contain itself.
	pointers []pointer
}

type pointer struct{ node, to *node }

func (c *compiler) resolve() {
	for _, p := range c.pointers {
		*p.node = *p.to
		p.node.nullable = true
	}
}

// compile makes the node of an input type. compileOutput makes the node of an output
// type and ignores the tags that constrain inputs. Each error begins with where.
func compile(t reflect.Type, where string, attachments []Attachment) (*compiler, *node, error) {
	c := &compiler{attachments: attachments, done: map[reflect.Type]*node{}}
	return c.run(t, where)
}

func compileOutput(t reflect.Type, attachments []Attachment) (*compiler, *node, error) {
	c := &compiler{attachments: attachments, output: true, done: map[reflect.Type]*node{}}
	return c.run(t, typeName(t))
}

func (c *compiler) run(t reflect.Type, where string) (*compiler, *node, error) {
	n := c.node(t, where)
	c.resolve()
	c.placeFiles(n, where)
	return c, n, errors.Join(c.errs...)
}

func (c *compiler) failf(where, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...)))
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
	if t.Kind() == reflect.Pointer { // before own: a pointer has the methods of its element type
		below := &node{nullable: true}
		c.pointers = append(c.pointers, pointer{below, c.node(t.Elem(), where)})
		c.resolve()
		return below
	}
	if file := c.attachment(t); file != nil {
		return file
	}
	if own := c.own(t); own != nil {
		c.named = c.named || t == literalType
		return own
	}
	c.unused(t, where)
	switch t.Kind() {
	case reflect.Bool:
		return &node{kind: kindBool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits() - 1
		return &node{kind: kindInteger, low: signed(-1 << bits), high: signed(1<<bits - 1), plain: t.Kind() == reflect.Int}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return &node{kind: kindInteger, high: integer{magnitude: math.MaxUint64 >> (64 - t.Bits())}}
	case reflect.Float32, reflect.Float64:
		return &node{kind: kindFloat, bits: t.Bits()}
	case reflect.String:
		return &node{kind: kindString}
	case reflect.Slice, reflect.Array:
		return c.list(t, where)
	case reflect.Map:
		return c.dict(t, where)
	}
	if why := c.unsupported(t); why != "" {
		c.failf(where, "%scannot be %s: %s", subject(t, where), c.direction(), why)
		return &node{kind: kindAny}
	}
	if t.Kind() == reflect.Struct {
		return c.object(t, where)
	}
	if t == reflect.TypeFor[any]() {
		c.dynamic = true
	} else {
		c.named = true
	}
	return &node{kind: kindAny, own: t}
}

// own returns the node of a type that reads or writes its JSON itself, or nil.
func (c *compiler) own(t reflect.Type) *node {
	switch {
	case t == timeType:
		return &node{kind: kindAny, format: "date-time", own: t}
	case t == literalType || t == reflect.TypeFor[jsontext.Value]() || implements(t, ownJSON):
		return &node{kind: kindAny, own: t}
	case implements(t, ownText):
		return &node{kind: kindAny, format: "text", own: t}
	}
	return nil
}

func (c *compiler) list(t reflect.Type, where string) *node {
	n := &node{kind: kindList, length: arrayLen(t)}
	if t.Elem().Kind() == reflect.Uint8 {
		return &node{kind: kindAny, format: "base64", own: t, length: n.length, published: base64Pattern(t)}
	}
	if n.elem = c.node(t.Elem(), where+"[]"); t.Kind() == reflect.Array {
		n.rules.minItems, n.rules.maxItems = &n.length, &n.length
	}
	return n
}

func (c *compiler) dict(t reflect.Type, where string) *node {
	if !mapKey(t.Key()) || t.Key() == literalType {
		c.failf(where, "a map's keys must be strings or integers, found %s", typeName(t.Key()))
	}
	n := &node{kind: kindDict, elem: c.node(t.Elem(), where+"{}")}
	switch key := c.node(t.Key(), where+"{}"); key.kind {
	case kindInteger:
		n.key = key
	case kindString:
		n.anyKey = true
	}
	return n
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
		return known // unfinished if the type contains itself
	}
	n := &node{kind: kindObject, name: t.Name(), byName: map[string]*field{}}
	c.done[t] = n
	c.collect(n, t, where, false)
	for i, f := range n.fields {
		f.index = i
	}
	c.checkTags(t, where)
	return n
}

// checkTags reports what json does not accept of the tags of a struct and of the
// structs that it embeds, such as a name that two fields have. It would be an error of
// every request.
func (c *compiler) checkTags(t reflect.Type, where string) {
	_, err := json.Marshal(reflect.New(t).Interface(), options)
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONPointer == "" && semantic.Err != nil { // else the error of a field's type
		c.failf(where, "%scannot be %s: %w", subject(semantic.GoType, where), c.direction(), semantic.Err)
	}
}

// collect adds the fields of t and of its embedded structs to n. An outer field hides
// an inner one of the same name. absent says that t may be a nil pointer.
func (c *compiler) collect(n *node, t reflect.Type, where string, absent bool) {
	var embedded []reflect.StructField
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if sf.Anonymous && !sf.IsExported() && sf.Type.Kind() == reflect.Pointer && !c.output && name != "-" {
			c.failf(where+"."+sf.Name, "json cannot set a pointer to an embedded struct whose name is private: embed the struct itself, or begin its name with a capital letter")
		}
		switch {
		case name == "-" && options == "":
			continue
		case sf.Anonymous && name == "" && structOf(sf.Type) != nil:
			embedded = append(embedded, sf)
			continue
		case !sf.IsExported() && (!sf.Anonymous || structOf(sf.Type) == nil):
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
		if c.output && absent {
			f.required = false
		}
		n.fields = append(n.fields, f)
		n.byName[name] = f
	}
	for _, sf := range embedded {
		c.collect(n, structOf(sf.Type), where+"."+sf.Name, absent || sf.Type.Kind() == reflect.Pointer)
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
	c.readable(sf, where)
	f := &field{name: name, goName: sf.Name, doc: sf.Tag.Get("doc"), node: c.node(sf.Type, where)}
	has := func(option string) bool { return strings.Contains(","+options+",", ","+option+",") }
	optional := has("omitempty") || has("omitzero")
	if has("string") {
		f.node = c.quoted(f.node, sf.Type, where)
	}
	if c.output {
		f.required = !optional
		return f
	}
	c.keys(sf, where)
	f.node = c.tags(f.node, sf, where)
	if text, ok := sf.Tag.Lookup("default"); ok {
		f.hasValue = true
		f.fallback = c.value(f.node, sf.Type, "default", text, where)
	} else if f.node.nullable {
		f.hasValue = true
	}
	if text, ok := sf.Tag.Lookup("example"); ok {
		f.example = c.value(f.node, sf.Type, "example", text, where)
	}
	f.required = !f.hasValue && !optional
	return f
}
