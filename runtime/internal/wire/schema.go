package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
)

// Schema is a type's JSON Schema, as BentoML writes it into /schema.json:
// nested structs in place, a title for each parameter. A recursive type is cut
// where it meets itself.
type Schema struct {
	node  *node
	input bool
}

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

// OpenAPI is the schema for an OpenAPI document. Each parameter of an input has
// a default or an example that is accepted, unless nobody can know one: for a
// pattern, or a type that decodes itself, without the tag example.
func (s *Schema) OpenAPI() json.Marshaler { return openAPI{s} }

type openAPI struct{ s *Schema }

func (o openAPI) MarshalJSON() ([]byte, error) {
	n := o.s.node
	schema := n.schema(writing{open: map[*node]bool{}, openAPI: true})
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

// NeedsOpenAPI31 says whether the schema has what OpenAPI 3.0 has otherwise: null
// as a type, and exclusive bounds that are numbers.
func (s *Schema) NeedsOpenAPI31() bool { return s.node.needs31(map[*node]bool{}) }

func (n *node) needs31(seen map[*node]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	return n.nullable || n.rules.above != nil || n.rules.below != nil || n.elem.needs31(seen) ||
		slices.ContainsFunc(n.fields, func(f *field) bool { return f.node.needs31(seen) })
}

// put sets a name without care for v's kind: schemas are made of plain values.
func (o *object) put(name string, v any) *object {
	switch v := v.(type) {
	case int:
		o.set(name, number(strconv.Itoa(v)))
	case *int:
		if v != nil {
			o.set(name, number(strconv.Itoa(*v)))
		}
	case *float64:
		if v != nil {
			o.set(name, number(strconv.FormatFloat(*v, 'g', -1, 64)))
		}
	default:
		o.set(name, v)
	}
	return o
}

// writing is how a schema is written. JSON Schema has a list of examples, the
// OpenAPI of our document one example.
type writing struct {
	open    map[*node]bool // structs that are being written
	openAPI bool
}

// schema is n's, with null beside it if n takes it.
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
		if n.format != "" {
			o.put("type", "string")
		}
		if n.format != "" && n.format != "text" {
			o.put("format", n.format)
		}
	case kindObject:
		n.structSchema(o, w)
	case kindDict:
		o.put("additionalProperties", n.elem.schema(w)).put("type", "object")
	case kindList:
		o.put("items", n.elem.schema(w)).put("type", "array")
		o.put("minItems", n.rules.minItems).put("maxItems", n.rules.maxItems)
	case kindString:
		o.put("type", "string").put("minLength", n.rules.minLength).put("maxLength", n.rules.maxLength)
		if n.rules.pattern != nil {
			o.put("pattern", n.rules.pattern.String())
		}
	case kindInteger:
		o.put("type", "integer")
	case kindFloat:
		o.put("type", "number")
	case kindBool:
		o.put("type", "boolean")
	}
	o.put("minimum", n.rules.minimum).put("maximum", n.rules.maximum).put("multipleOf", n.rules.multipleOf)
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

// defaults is an object with every default of n, or nil if there are none; and
// whether a value made of them can be copied without sharing.
func (n *node) defaults() (preset []byte, copyable bool) {
	if n.kind != kindObject {
		return nil, true
	}
	o := &object{}
	copyable = true
	for _, f := range n.fields {
		if f.fallback == nil {
			continue
		}
		o.set(f.name, f.fallback)
		switch f.fallback.(type) {
		case bool, string, number:
			copyable = copyable && !f.node.nullable
		default:
			copyable = false
		}
	}
	if len(o.names) == 0 {
		return nil, true
	}
	return render(nil, o), copyable
}

func position(line, column int) string {
	return " at line " + strconv.Itoa(line) + " column " + strconv.Itoa(column)
}
