package wire

import (
	"slices"

	"github.com/go-json-experiment/json"
)

// OpenAPI returns the schema for an OpenAPI document. In addition to the output of
// MarshalJSON, it has the bounds of each integer type, and for each parameter a
// default or a valid example. A pattern, and a type that decodes its JSON itself,
// have an example only if the tag example gives one.
func (s *Schema) OpenAPI() json.Marshaler { return openAPI{s} }

type openAPI struct{ s *Schema }

func (o openAPI) MarshalJSON() ([]byte, error) {
	n := o.s.node
	w := writing{open: map[*node]bool{}, openAPI: true}
	schema := o.s.schema(w)
	if o.s.one != nil {
		schema = o.s.oneOrMany(schema, w)
	}
	switch {
	case !o.s.input:
	case n.kind == kindObject:
		n.sampleParameters(schema)
	default:
		if v, ok := n.sample(map[*node]bool{}); ok {
			schema.put("example", v)
		}
	}
	return render(nil, schema), nil
}

// oneOrMany adds a single item as an alternative to the schema of a list.
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

// alternatives returns the schema of a list or one item. It does not use oneOf if an
// item is a list, because an empty list matches both.
func alternatives(list, one *object, item *node) *object {
	switch {
	case item.kind == kindList:
		return (&object{}).put("anyOf", []any{list, one})
	case len(one.names) == 0: // any value
		array := (&object{}).put("type", "array").put("items", &object{}) // some tools require items
		one = (&object{}).put("not", array)
	}
	return (&object{}).put("oneOf", []any{list, one})
}

// NeedsOpenAPI31 reports whether the schema has parts that OpenAPI 3.0 lacks or
// writes differently: null, exclusive bounds, the encoding of bytes, and the names of
// a map's keys.
func (s *Schema) NeedsOpenAPI31() bool { return !s.bytes && s.node.needs31(map[*node]bool{}) }

func (n *node) needs31(seen map[*node]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	return n.nullable && n.kind != kindFile || n.rules.above != nil || n.rules.below != nil || n.format == "base64" || n.key != nil || n.elem.needs31(seen) ||
		slices.ContainsFunc(n.fields, func(f *field) bool { return f.node.needs31(seen) })
}
