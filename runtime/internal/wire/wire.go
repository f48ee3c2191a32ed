// Package wire decodes request bodies into Go values and encodes results. It follows
// BentoML: in which JSON it accepts, in the errors, and in the schemas of
// /schema.json.
//
// A Go type is compiled once, when an API is declared. A body is first checked in one
// pass over its tokens and decoded. Only if this check does not accept it, the body is
// parsed into a tree, where values are converted, defaults are filled in, and all
// errors are collected.
package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// options allows equal names, of which the last one is used, as in BentoML. A duration
// is written in nanoseconds.
var options = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsonv1.FormatDurationAsNano(true), json.Deterministic(true))

// Input decodes bodies into T. It is safe for concurrent use.
type Input[T any] struct {
	node    *node
	as      reflect.Type // T with other struct tags if needed, usually T itself
	text    bool         // T is a string: the body is the string
	options json.Options
	preset  []byte // the defaults, if T is not a struct; nil: proto has them
	proto   T      // a T with the defaults that can be copied
	flat    *flat  // nil for types that flat does not support
}

// NewInput compiles T: a struct whose fields are the parameters, a map, or a slice or
// scalar that is the whole body. A pointer to a struct is never decoded as nil; any
// other pointer is nil for the body null. It returns all errors of T's declaration, joined: bad
// tags, tags of other libraries, types without JSON.
func NewInput[T any]() (*Input[T], error) {
	t := reflect.TypeFor[T]()
	return newInput[T](t, typeName(t))
}

// parameter is an input with one parameter, which gets its name at compilation.
type parameter[T any] struct{ Value T }

func newParameter[T any](name string) (*Input[parameter[T]], error) {
	t := reflect.StructOf([]reflect.StructField{
		{Name: "Value", Type: reflect.TypeFor[T](), Tag: reflect.StructTag(`json:` + strconv.Quote(name))},
	})
	in, err := newInput[parameter[T]](t, "parameter "+strconv.Quote(name))
	if err != nil {
		return nil, err
	}
	only := in.node.fields[0]
	only.required, only.hasValue = true, false // a pointer allows null, but not nothing
	return in, nil
}

// newInput compiles t, which may differ from T in struct tags.
func newInput[T any](t reflect.Type, where string) (*Input[T], error) {
	c, n, err := compile(t, where)
	if err != nil {
		return nil, err
	}
	if n.kind == kindObject {
		n.nullable = false // a function gets a struct, also if it takes a pointer
	}
	in := &Input[T]{node: n, as: t, flat: newFlat(t, n), text: n.kind == kindString && t.Kind() == reflect.String, options: options}
	switch {
	case c.named:
		in.options = exactNamed
	case c.dynamic:
		in.options = exact
	}
	if n.kind != kindObject {
		return in, nil
	}
	if err := json.Unmarshal(n.preset(), in.view(&in.proto), options); err != nil {
		return nil, fmt.Errorf("%s: default: %w", where, err)
	}
	if t.Kind() != reflect.Struct { // requests would share a copied pointer
		var none T
		in.preset, in.proto = n.preset(), none
	}
	return in, nil
}

// reset sets into to its defaults, which no other request shares.
func (in *Input[T]) reset(into *T) error {
	*into = in.proto
	if in.preset == nil {
		return nil
	}
	return json.Unmarshal(in.preset, in.view(into), options)
}

// Decode fills into from body. It returns nil or an [Invalid]. An empty body means {}.
// If T is a string, it becomes the body itself.
func (in *Input[T]) Decode(body []byte, into *T) error {
	if in.text {
		if !utf8.Valid(body) {
			return invalid(&fault{"string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string"})
		}
		reflect.ValueOf(into).Elem().SetString(string(body))
		return nil
	}
	if len(body) == 0 {
		body = emptyObject
	}
	if in.quick(body, into) {
		return nil
	}
	return in.thorough(body, into)
}

var emptyObject = []byte("{}")

// quick decodes a body that needs no conversion. It returns false for other bodies.
func (in *Input[T]) quick(body []byte, into *T) bool {
	if in.flat != nil {
		if in.reset(into) == nil && in.flat.decode(body, in.value(into)) {
			return true
		}
	}
	return in.node.accepts(body) && in.unmarshal(body, into) == nil
}

// thorough converts values, fills in defaults and collects all errors.
func (in *Input[T]) thorough(body []byte, into *T) error {
	normal, wrong := in.node.normalise(body)
	if wrong != nil {
		return wrong
	}
	if err := in.unmarshal(normal, into); err != nil {
		var wrong violations
		addDecodeError(&wrong, nil, normal, err)
		return wrong.invalid()
	}
	return nil
}

func (in *Input[T]) unmarshal(body []byte, into *T) error {
	if err := in.reset(into); err != nil {
		return err
	}
	return json.Unmarshal(body, in.view(into), in.options)
}

// view returns into as a pointer to the type as: Go can convert pointers to structs
// that differ only in their tags.
func (in *Input[T]) view(into *T) any {
	if in.as == reflect.TypeFor[T]() {
		return into
	}
	return reflect.ValueOf(into).Convert(reflect.PointerTo(in.as)).Interface()
}

func (in *Input[T]) value(into *T) reflect.Value {
	v := reflect.ValueOf(into)
	if in.as != reflect.TypeFor[T]() {
		v = v.Convert(reflect.PointerTo(in.as))
	}
	return v.Elem()
}

// Object reports whether bodies are JSON objects.
func (in *Input[T]) Object() bool { return in.node.kind == kindObject || in.node.kind == kindDict }

// Schema returns the schema of T.
func (in *Input[T]) Schema() *Schema { return &Schema{node: in.node, input: true, text: in.text} }

// Output encodes results of type T. It is safe for concurrent use.
type Output[T any] struct {
	node *node
	text bool
	flat flatOut // nil for types that flatOut does not support
}

// NewOutput compiles T. It returns an error for each part of T that has no JSON,
// joined.
func NewOutput[T any]() (*Output[T], error) {
	t := reflect.TypeFor[T]()
	_, n, err := compileOutput(t)
	if err != nil {
		return nil, err
	}
	return &Output[T]{node: n, text: t.Kind() == reflect.String && n.kind == kindString, flat: newFlatOut(t, n)}, nil
}

// ContentType returns text/plain for a string, else application/json.
func (o *Output[T]) ContentType() string {
	if o.text {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// Encode writes v to buf. A nil slice is [], a nil map {}. A value without JSON, such
// as NaN, is an error.
func (o *Output[T]) Encode(buf *bytes.Buffer, v T) error {
	if o.text {
		buf.WriteString(reflect.ValueOf(&v).Elem().String())
		return nil
	}
	if o.flat != nil && o.flat.encode(buf, reflect.ValueOf(&v).Elem()) {
		return nil
	}
	return json.MarshalWrite(buf, &v, options)
}

// Decode reads what Encode wrote.
func (o *Output[T]) Decode(body []byte, into *T) error {
	if o.text {
		reflect.ValueOf(into).Elem().SetString(string(body))
		return nil
	}
	return json.Unmarshal(body, into, options)
}

// Schema returns the schema of T.
func (o *Output[T]) Schema() *Schema { return &Schema{node: o.node} }
