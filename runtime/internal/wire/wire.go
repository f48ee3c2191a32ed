// Package wire turns request bodies into Go values and results into answers,
// by BentoML's rules: which JSON is accepted, which violations are named and
// how, what /schema.json says about it.
//
// In and Out are compiled once, when an API is declared. A body is then
// checked in one pass over its tokens, without allocation, and decoded. Only
// what that pass does not accept goes the long way: into a tree, where
// conversions are made, defaults filled in and every violation collected.
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

// options are BentoML's leniency (of two equal names the last counts) and what
// Go users expect of durations.
var options = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsonv1.FormatDurationAsNano(true), json.Deterministic(true))

// Violation is one thing wrong with an input, as pydantic describes it.
type Violation struct {
	// Type is pydantic's name of the rule: "missing", "string_type".
	Type string `json:"type"`
	// Loc leads to the value: names and indices from the outside in.
	Loc []any `json:"loc"`
	// Msg says what would be right.
	Msg string `json:"msg"`
}

// Invalid is everything wrong with an input.
type Invalid struct{ Violations []Violation }

// Error counts the violations in BentoML's words, which never use the plural.
func (e *Invalid) Error() string {
	return fmt.Sprintf("%d validation error for Input", len(e.Violations))
}

// Input decodes bodies into T.
type Input[T any] struct {
	node *node
	as   reflect.Type // T with the struct tags that the wire has; T itself, mostly
	text bool         // T is a string: the body is the string
	// preset has every default. proto is the same as a value, if a copy of it
	// shares nothing with the next one.
	preset   []byte
	proto    T
	copyable bool
	flat     *flat // nil for types that it does not know
}

// NewInput compiles T: a struct whose fields are the parameters, a map, or a
// slice or scalar that is the whole body. It returns every bad tag and
// unsupported type.
func NewInput[T any]() (*Input[T], error) { return newInput[T](reflect.TypeFor[T]()) }

// Parameter is an input of one parameter, whose name is given when it is
// compiled.
type Parameter[T any] struct{ Value T }

// NewParameter compiles an input of one parameter, which is required.
func NewParameter[T any](name string) (*Input[Parameter[T]], error) {
	return newInput[Parameter[T]](reflect.StructOf([]reflect.StructField{
		{Name: "Value", Type: reflect.TypeFor[T](), Tag: reflect.StructTag(`json:` + strconv.Quote(name))},
	}))
}

// newInput compiles t, which is T but for struct tags.
func newInput[T any](t reflect.Type) (*Input[T], error) {
	n, err := compile(t)
	if err != nil {
		return nil, err
	}
	in := &Input[T]{node: n, as: t, flat: newFlat(t, n), text: n.kind == kindString && t.Kind() == reflect.String}
	in.preset, in.copyable = n.defaults()
	if in.preset != nil {
		if err := json.Unmarshal(in.preset, in.view(&in.proto), options); err != nil {
			return nil, fmt.Errorf("%s: default: %w", t, err)
		}
	}
	return in, nil
}

// Decode fills into from body: nil, or an [Invalid]. An empty body is {}.
func (in *Input[T]) Decode(body []byte, into *T) error {
	if in.text {
		if !utf8.Valid(body) {
			return &Invalid{[]Violation{{"string_unicode", []any{}, "Input should be a valid string, unable to parse raw data as a unicode string"}}}
		}
		reflect.ValueOf(into).Elem().SetString(string(body))
		return nil
	}
	if len(body) == 0 {
		body = emptyObject
	}
	if in.flat != nil && in.copyable {
		*into = in.proto
		if in.flat.decode(body, in.value(into)) {
			return nil
		}
	}
	if in.node.accepts(body) && in.unmarshal(body, into) == nil {
		return nil
	}
	normal, invalid := in.node.normalise(body)
	if invalid != nil {
		return invalid
	}
	if err := in.unmarshal(normal, into); err != nil {
		return &Invalid{[]Violation{unmarshalViolation(err)}}
	}
	return nil
}

var emptyObject = []byte("{}")

func (in *Input[T]) unmarshal(body []byte, into *T) error {
	switch {
	case in.copyable:
		*into = in.proto
	default:
		var fresh T
		*into = fresh
		if in.preset != nil {
			if err := json.Unmarshal(in.preset, in.view(into), options); err != nil {
				return err
			}
		}
	}
	return json.Unmarshal(body, in.view(into), options)
}

// view is into with the struct tags of the wire: Go converts between pointers to
// structs that differ in their tags alone.
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

// Schema is what /schema.json shows of T.
func (in *Input[T]) Schema() *Schema { return &Schema{node: in.node, input: true} }

// Output encodes results of type T.
type Output[T any] struct {
	node *node
	text bool
	flat *flatOut // nil for types that it does not know
}

// NewOutput compiles T. It returns what cannot be written as JSON.
func NewOutput[T any]() (*Output[T], error) {
	t := reflect.TypeFor[T]()
	n, err := compileOutput(t)
	if err != nil {
		return nil, err
	}
	return &Output[T]{node: n, flat: newFlatOut(t, n), text: t.Kind() == reflect.String && n.kind == kindString}, nil
}

// ContentType is text/plain for strings, and JSON for anything else.
func (o *Output[T]) ContentType() string {
	if o.text {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// Encode writes v to buf. A nil slice is [], a nil map {}. Values that JSON has
// not (NaN, an infinity) are an error.
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

// Schema is what /schema.json shows of T.
func (o *Output[T]) Schema() *Schema { return &Schema{node: o.node} }
