package wire

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Schema is the JSON Schema of a type, in the layout of BentoML's /schema.json:
// nested structs are inline, and each parameter has a title. Where a recursive type
// contains itself, the schema allows any object.
type Schema struct {
	node  *node
	input bool
	text  bool // the body is the string, without quotes
	bytes bool // the body is the bytes
	root  bool // a struct is the whole body, and its title differs
	// one is the type of a single item, for an API that accepts or returns a list or
	// one item. parameter is the parameter with the items; nil: the whole value.
	one       *node
	parameter *field
	stream    bool   // of the chunks of a stream
	events    bool   // the chunks are the data of server-sent events
	mediaType string // that an API declares; "": none
}

// Required reports whether a request must have a body. An empty body means {}, or the
// empty string or file if that is the input.
func (s *Schema) Required() bool {
	switch s.node.kind {
	case kindObject:
		return slices.ContainsFunc(s.node.fields, func(f *field) bool { return f.required })
	case kindDict:
		return false
	case kindAny:
		return s.node.format != "" && !s.bytes
	case kindString:
		return !s.text
	case kindFile:
		return s.node.attachment.pil // an empty file is one
	}
	return true
}

// OneOrMany returns the schema of a response that is a list or one item. MarshalJSON
// writes only the list, as BentoML does; OpenAPI writes both.
func OneOrMany(item, list *Schema) *Schema { return &Schema{node: list.node, one: item.node} }

// rawBytes is the format of bytes that are sent as they are.
const rawBytes = "binary"

// Binary returns the schema of bytes that are sent as they are, as BentoML writes it.
func Binary() *Schema { return &Schema{node: &node{kind: kindAny, format: rawBytes}} }

// Stream returns the schema of a stream of s. OpenAPI has the schema of a chunk.
func (s *Schema) Stream(mediaType string) *Schema {
	stream := s.Declared(mediaType)
	stream.stream = true
	return stream
}

// Events returns the schema of server-sent events whose data is s. In /schema.json an event
// is a string: BentoML's client then gives its text to the caller, and does not decode it.
func (s *Schema) Events() *Schema {
	events := *s
	events.events = true
	return &events
}

// Declared returns s with the media type that an API declares for its results.
func (s *Schema) Declared(mediaType string) *Schema {
	declared := *s
	declared.mediaType = mediaType
	return &declared
}

// MarshalJSON writes the schema for /schema.json.
func (s *Schema) MarshalJSON() ([]byte, error) {
	o := s.schema(writing{open: map[*node]bool{}})
	if s.events {
		o = (&object{}).put("type", "string")
	}
	if s.input && s.root {
		o.put("root_input", true)
	}
	if s.stream {
		o.put("is_stream", true)
	}
	if s.mediaType != "" {
		o.put("media_type", s.mediaType)
	}
	return render(nil, o), nil
}

// ioDescriptor ends the title of a struct that is a whole body, as in BentoML.
const ioDescriptor = "IODescriptor"

func (s *Schema) schema(w writing) *object {
	if s.bytes {
		return Binary().node.schema(w)
	}
	if s.node.kind == kindFile && s.mediaType != "" && !s.node.attachment.pil {
		declared := *s.node
		declared.accept = s.mediaType
		return declared.schema(w)
	}
	o := s.node.schema(w)
	switch {
	case s.node.kind != kindObject:
	case s.input && !s.root:
		o.put("title", "Input")
	case s.root && s.node.name != "":
		o.put("title", s.node.name+ioDescriptor)
	}
	return o
}

// put sets a name to v. If v is a nil pointer, it does nothing.
func (o *object) put(name string, v any) *object {
	switch v := v.(type) {
	case int:
		o.set(name, number(strconv.Itoa(v)))
	case *int:
		if v != nil {
			o.set(name, number(strconv.Itoa(*v)))
		}
	case *quantity:
		if v != nil {
			o.set(name, v.json())
		}
	default:
		o.set(name, v)
	}
	return o
}

func (q *quantity) json() number {
	if q.isFloat {
		return number(strconv.FormatFloat(q.float, 'g', -1, 64))
	}
	return number(q.whole.String())
}

// writing is the state of writing one schema. JSON Schema has a list of
// examples, OpenAPI 3.0 one example.
type writing struct {
	open    map[*node]bool // structs that are being written
	openAPI bool
}

// schema returns the schema of n, with null as an alternative if n accepts null. As in
// BentoML, there is no alternative to a file: its client would send no file then, and a
// form has no null.
func (n *node) schema(w writing) *object {
	o := n.valueSchema(w)
	if n.nullable && n.kind != kindFile && len(o.names) > 0 { // {} allows null already
		null := (&object{}).put("type", "null")
		o = (&object{}).put("anyOf", []any{o, null})
	}
	return o
}

func (n *node) valueSchema(w writing) *object {
	o := &object{}
	switch n.kind {
	case kindAny:
		n.anySchema(o)
	case kindFile:
		n.fileSchema(o, w)
	case kindObject:
		n.structSchema(o, w)
	case kindDict:
		o.put("additionalProperties", n.elem.schema(w)).put("type", "object")
		if n.key != nil {
			o.put("propertyNames", (&object{}).put("pattern", integerPattern(n.key)))
		}
	case kindList:
		o.put("items", n.elem.schema(w)).put("type", "array")
		o.put("minItems", n.rules.minItems).put("maxItems", n.rules.maxItems)
	case kindString:
		o.put("type", "string").put("minLength", n.rules.minLength).put("maxLength", n.rules.maxLength)
		if n.rules.pattern != nil {
			o.put("pattern", n.rules.pattern.ecma)
		}
	case kindInteger:
		o.put("type", "integer")
	case kindFloat:
		o.put("type", "number")
	case kindBool:
		o.put("type", "boolean")
	}
	low, high := n.limits(w.openAPI)
	o.put("minimum", low).put("maximum", high).put("multipleOf", n.rules.multipleOf)
	o.put("exclusiveMinimum", n.rules.above).put("exclusiveMaximum", n.rules.below)
	if n.rules.enum != nil {
		choices := []any{}
		for _, value := range n.rules.enum {
			if n.kind == kindInteger {
				choices = append(choices, number(value))
			} else {
				choices = append(choices, value)
			}
		}
		o.put("enum", choices)
	}
	return o
}

func (n *node) anySchema(o *object) {
	switch {
	case n.format != "":
		o.put("type", "string")
	case n.own == literalType:
		o.put("type", "number")
	}
	switch n.format {
	case "date-time", rawBytes:
		o.put("format", n.format)
	case "base64":
		o.put("contentEncoding", n.format)
	}
	if n.published != "" {
		o.put("pattern", n.published)
	}
}

// limits returns the published bounds: those of the tags, else those of the Go type.
// An int has no bounds of its type in /schema.json, as in BentoML.
func (n *node) limits(openAPI bool) (low, high *quantity) {
	low, high = n.rules.minimum, n.rules.maximum
	switch {
	case n.kind == kindInteger && n.rules.enum == nil && (openAPI || !n.plain):
		low = cmp.Or(low, &quantity{whole: n.low})
		high = cmp.Or(high, &quantity{whole: n.high})
	case n.kind == kindFloat && n.bits == 32:
		const most = 3.4028235e+38 // as json writes math.MaxFloat32
		low = cmp.Or(low, &quantity{isFloat: true, float: -most})
		high = cmp.Or(high, &quantity{isFloat: true, float: most})
	}
	return low, high
}

func (n *node) structSchema(o *object, w writing) {
	if n.name != "" {
		o.put("title", n.name)
	}
	o.put("type", "object")
	if w.open[n] {
		return
	}
	w.open[n] = true
	defer delete(w.open, n)
	properties, required := &object{}, []any{}
	for _, f := range n.fields {
		p := f.node.schema(w)
		if w.openAPI && f.required && f.node.kind == kindList && f.node.elem.kind == kindFile {
			p.put("minItems", 1) // a form cannot have an empty list
		}
		if f.node.kind != kindObject {
			p.put("title", title(f.name))
		}
		if f.doc != "" {
			p.put("description", f.doc)
		}
		if f.hasValue && (f.node.kind != kindFile || !w.openAPI) {
			p.set("default", f.fallback)
		}
		switch {
		case f.example == nil:
		case w.openAPI:
			p.put("example", f.example)
		default:
			p.put("examples", []any{f.example})
		}
		if f.required {
			required = append(required, f.name)
		}
		properties.set(f.name, p)
	}
	o.set("properties", properties)
	if len(required) > 0 {
		o.set("required", required)
	}
}

// title returns pydantic's title: created_at becomes "Created At".
func title(name string) string {
	words := strings.Fields(strings.ReplaceAll(name, "_", " "))
	for i, word := range words {
		r := []rune(strings.ToLower(word))
		r[0] = unicode.ToUpper(r[0])
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

// preset returns an object with the defaults that can be copied with the struct.
func (n *node) preset() []byte {
	o := &object{}
	for _, f := range n.fields {
		if f.preset() {
			o.set(f.name, f.fallback)
		}
	}
	return render(nil, o)
}

func (f *field) preset() bool {
	switch f.fallback.(type) {
	case bool, string, number:
		return !f.node.nullable
	}
	return false
}
