package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
)

// Schema is the JSON Schema of a type, in the layout of BentoML's /schema.json:
// nested structs in place, a title for each parameter. A recursive type is cut
// where it contains itself; the schema takes any object there.
type Schema struct {
	node  *node
	input bool
	// one is a single item, if an API takes or returns a list of items or one of
	// them; parameter holds them, or nil, if the whole is a list or an item.
	one       *node
	parameter *field
}

// OneOrMany is the schema of a response that is a list or one of its items.
// MarshalJSON writes the list, as BentoML does, and OpenAPI both.
func OneOrMany(item, list *Schema) *Schema { return &Schema{node: list.node, one: item.node} }

// MarshalJSON writes the schema for /schema.json.
func (s *Schema) MarshalJSON() ([]byte, error) {
	o := s.node.schema(writing{open: map[*node]bool{}})
	if s.input {
		if s.node.kind == kindObject {
			o.put("title", "Input")
		} else {
			o.put("root_input", true)
		}
	}
	return render(nil, o), nil
}

// OpenAPI returns the schema for an OpenAPI document. It has more than
// MarshalJSON writes: the bounds of each integer type, and for each parameter a
// default or a valid example. There is no example for a pattern and for a type
// that decodes its JSON itself, unless the tag example gives one.
func (s *Schema) OpenAPI() json.Marshaler { return openAPI{s} }

type openAPI struct{ s *Schema }

func (o openAPI) MarshalJSON() ([]byte, error) {
	n := o.s.node
	w := writing{open: map[*node]bool{}, openAPI: true}
	schema := n.schema(w)
	if o.s.one != nil {
		schema = o.s.oneOrMany(schema, w)
	}
	switch {
	case !o.s.input:
	case n.kind == kindObject:
		schema.put("title", "Input")
		n.sampleParameters(schema)
	default:
		if v, ok := n.sample(map[*node]bool{}); ok {
			schema.put("example", v)
		}
	}
	return render(nil, schema), nil
}

// oneOrMany adds the form of a single item to the schema of a list.
func (s *Schema) oneOrMany(schema *object, w writing) *object {
	one := s.one.schema(w)
	if s.parameter == nil {
		return alternatives(schema, one, s.one)
	}
	properties, _ := schema.get("properties")
	both := alternatives(s.parameter.node.schema(w), one, s.one)
	properties.(*object).set(s.parameter.name, both.put("title", title(s.parameter.name)))
	return schema
}

// alternatives takes a list or one item. oneOf would refuse what is both.
func alternatives(list, one *object, item *node) *object {
	switch {
	case item.kind == kindList:
		return (&object{}).put("anyOf", []any{list, one})
	case len(one.names) == 0: // anything
		one = (&object{}).put("not", (&object{}).put("type", "array"))
	}
	return (&object{}).put("oneOf", []any{list, one})
}

// NeedsOpenAPI31 reports whether the schema has parts that OpenAPI 3.0 does not
// have or writes otherwise: null, exclusive bounds, the encoding of bytes and the
// names of a map's keys.
func (s *Schema) NeedsOpenAPI31() bool { return s.node.needs31(map[*node]bool{}) }

func (n *node) needs31(seen map[*node]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	return n.nullable || n.rules.above != nil || n.rules.below != nil || n.format == "base64" || n.key != nil || n.elem.needs31(seen) ||
		slices.ContainsFunc(n.fields, func(f *field) bool { return f.node.needs31(seen) })
}

// put sets a name to v, and does nothing if v is a nil pointer.
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

// schema is the schema of n, with null as an alternative if n takes null.
func (n *node) schema(w writing) *object {
	o := n.valueSchema(w)
	if n.nullable && len(o.names) > 0 { // {} takes everything
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
	if n.format != "" {
		o.put("type", "string")
	}
	switch n.format {
	case "date-time":
		o.put("format", n.format)
	case "base64":
		o.put("contentEncoding", n.format)
	}
	if n.published != "" {
		o.put("pattern", n.published)
	}
}

// limits are the bounds that are published: the tags', or those of the Go type
// where they are nearer. /schema.json has none for an int, as BentoML's has none.
func (n *node) limits(openAPI bool) (low, high *quantity) {
	low, high = n.rules.minimum, n.rules.maximum
	switch {
	case n.kind == kindInteger && n.rules.enum == nil && (openAPI || !n.plain):
		if low == nil || low.whole.compare(n.low) < 0 {
			low = &quantity{whole: n.low}
		}
		if high == nil || high.whole.compare(n.high) > 0 {
			high = &quantity{whole: n.high}
		}
	case n.kind == kindFloat && n.bits == 32:
		const most = 3.4028235e+38 // as json writes math.MaxFloat32
		if low == nil || low.float < -most {
			low = &quantity{isFloat: true, float: -most}
		}
		if high == nil || high.float > most {
			high = &quantity{isFloat: true, float: most}
		}
	}
	return low, high
}

// integerPattern matches integers of n's type that are written without an
// exponent: all of them but those with as many digits as the largest.
func integerPattern(n *node) string {
	sign := ""
	if n.low.negative {
		sign = "-?"
	}
	return fmt.Sprintf("^(?:0|%s[1-9][0-9]{0,%d})$", sign, len(n.high.String())-2)
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
		if f.node.kind != kindObject {
			p.put("title", title(f.name))
		}
		if f.doc != "" {
			p.put("description", f.doc)
		}
		if f.hasValue {
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

// title is pydantic's: created_at becomes "Created At".
func title(name string) string {
	words := strings.Fields(strings.ReplaceAll(name, "_", " "))
	for i, word := range words {
		r := []rune(strings.ToLower(word))
		r[0] = unicode.ToUpper(r[0])
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

// preset is an object with the defaults that a copy of a struct copies.
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
