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
	"context"
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
	bytes   bool         // T is a slice of bytes: the body is the bytes
	root    bool         // T is the whole body, not a struct of parameters
	options json.Options
	preset  []byte // the defaults, if T is not a struct; nil: proto has them
	proto   T      // a T with the defaults that can be copied
	flat    *flat  // nil for types that flat does not support

	attachments []Attachment
}

// NewInput compiles T: a struct whose fields are the parameters, a map, or a slice or scalar
// that is the whole body. A value of an attachment is a file. A pointer to a struct is never
// decoded as nil; any other pointer is nil for the body null. It returns all errors of T's
// declaration, joined: bad tags, tags of other libraries, types without JSON.
func NewInput[T any](attachments ...Attachment) (*Input[T], error) {
	t := reflect.TypeFor[T]()
	return newInput[T](t, typeName(t), attachments)
}

// parameter is an input with one parameter, which gets its name at compilation.
type parameter[T any] struct{ Value T }

func newParameter[T any](name string, attachments []Attachment) (*Input[parameter[T]], error) {
	t := reflect.StructOf([]reflect.StructField{
		{Name: "Value", Type: reflect.TypeFor[T](), Tag: reflect.StructTag(`json:` + strconv.Quote(name))},
	})
	in, err := newInput[parameter[T]](t, "parameter "+strconv.Quote(name), attachments)
	if err != nil {
		return nil, err
	}
	only := in.node.fields[0]
	only.required, only.hasValue = true, false // a pointer allows null, but not nothing
	return in, nil
}

// newInput compiles t, which may differ from T in struct tags.
func newInput[T any](t reflect.Type, where string, attachments []Attachment) (*Input[T], error) {
	c, n, err := compile(t, where, attachments)
	if err != nil {
		return nil, err
	}
	if n.kind == kindObject {
		n.nullable = false // a function gets a struct, also if it takes a pointer
	}
	in := &Input[T]{node: n, as: t, flat: newFlat(t, n), text: n.kind == kindString && t.Kind() == reflect.String, options: options, attachments: attachments}
	in.bytes = n.isBytes(t)
	in.root = n.kind != kindObject
	switch {
	case c.named:
		in.options = exactNamed
	case c.dynamic:
		in.options = exact
	}
	if n.kind != kindObject {
		return in, nil
	}
	if err := json.Unmarshal(n.preset(), in.view(&in.proto), in.options); err != nil {
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
	return json.Unmarshal(in.preset, in.view(into), in.options)
}

// Decode fills into from body and its files. It returns nil or an [Invalid]. An empty body
// means {}. If T is a string or a slice of bytes, it becomes the body itself. If T is an
// attachment, it becomes the only file. For a body of 1 MiB or more it stops when ctx ends, and
// returns the error of ctx.
func (in *Input[T]) Decode(ctx context.Context, body []byte, files Files, into *T) error {
	switch {
	case in.node.kind == kindFile:
		return in.file(files, into)
	case in.bytes:
		reflect.ValueOf(into).Elem().SetBytes(bytes.Clone(body))
		return nil
	case in.text:
		if !utf8.Valid(body) {
			return invalid(&fault{"string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string"})
		}
		reflect.ValueOf(into).Elem().SetString(string(body))
		return nil
	}
	if len(body) == 0 {
		body = emptyObject
	}
	if in.quick(ctx, body, into) {
		return nil
	}
	wrong := in.thorough(ctx, body, files, into)
	if len(body) >= large && ctx.Err() != nil {
		return ctx.Err() // wrong may be due to it
	}
	return wrong
}

var emptyObject = []byte("{}")

// quick decodes a body that needs no conversion. It returns false for other bodies.
func (in *Input[T]) quick(ctx context.Context, body []byte, into *T) bool {
	if in.flat != nil {
		if in.reset(into) == nil && in.flat.decode(body, in.value(into)) {
			return true
		}
	}
	return in.node.accepts(ctx, body) && in.unmarshal(ctx, body, into, in.options) == nil
}

// thorough converts values, fills in defaults and collects all errors.
func (in *Input[T]) thorough(ctx context.Context, body []byte, files Files, into *T) error {
	read := attached{files: files}
	normal, wrong := in.node.normalise(ctx, body, &read)
	if wrong != nil {
		return in.titled(wrong)
	}
	if err := in.unmarshal(ctx, normal, into, read.options(in.options, in.attachments)); err != nil {
		var wrong violations
		addDecodeError(&wrong, nil, normal, err)
		return in.titled(wrong.invalid())
	}
	return nil
}

// titled names the model in the message of an error, as BentoML does.
func (in *Input[T]) titled(wrong *Invalid) *Invalid {
	if in.root && in.node.kind == kindObject {
		wrong.model = in.node.name + ioDescriptor
	}
	return wrong
}

func (in *Input[T]) file(files Files, into *T) error {
	wrong := violations{attached: &attached{files: files}}
	if in.node.readFile(0, nil, &wrong); len(wrong.list) > 0 {
		return wrong.invalid()
	}
	*into, _ = wrong.attached.values[0].(T)
	return nil
}

func (in *Input[T]) unmarshal(ctx context.Context, body []byte, into *T, options json.Options) error {
	if err := in.reset(into); err != nil {
		return err
	}
	return unmarshal(ctx, body, in.view(into), options)
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

// Root makes a struct the whole body in the documents and errors, as a model that is
// BentoML's only positional parameter. It returns an error for another type.
func (in *Input[T]) Root() error {
	if in.node.kind != kindObject || in.node.name == "" {
		return fmt.Errorf("needs an input that is a struct type with a name, found %s", typeName(reflect.TypeFor[T]()))
	}
	in.root = true
	return nil
}

// Schema returns the schema of T.
func (in *Input[T]) Schema() *Schema {
	return &Schema{node: in.node, input: true, text: in.text, bytes: in.bytes, root: in.root}
}

// Output encodes results of type T. It is safe for concurrent use.
type Output[T any] struct {
	node    *node
	text    bool
	raw     bool    // T is a slice of bytes, sent as it is
	flat    flatOut // nil for types that flatOut does not support
	options json.Options
}

// NewOutput compiles T, which may be an attachment. It returns an error for each part of
// T that has no JSON, joined.
func NewOutput[T any](attachments ...Attachment) (*Output[T], error) {
	t := reflect.TypeFor[T]()
	c, n, err := compileOutput(t, attachments)
	if err != nil {
		return nil, err
	}
	o := &Output[T]{node: n, text: t.Kind() == reflect.String && n.kind == kindString, raw: n.isBytes(t), flat: newFlatOut(t, n), options: options}
	if c.dynamic || c.named {
		o.options = literal
	}
	return o, nil
}

// ContentType returns text/plain for a string and, as in BentoML, for bytes. It returns
// application/octet-stream for a file, image/* for an image, and else application/json.
func (o *Output[T]) ContentType() string {
	switch {
	case o.text, o.raw:
		return "text/plain; charset=utf-8"
	case o.node.kind == kindFile && o.node.attachment.pil:
		return "image/*"
	case o.node.kind == kindFile:
		return "application/octet-stream"
	}
	return "application/json"
}

// isBytes reports whether a whole body of type t is sent as it is, not as base64 in JSON.
func (n *node) isBytes(t reflect.Type) bool { return n.format == "base64" && t.Kind() == reflect.Slice }

// Encode writes v to buf. A nil slice is [], a nil map {}. A value without JSON, such
// as NaN, is an error.
func (o *Output[T]) Encode(buf *bytes.Buffer, v T) error {
	if o.text {
		buf.WriteString(reflect.ValueOf(&v).Elem().String())
		return nil
	}
	if o.raw {
		buf.Write(reflect.ValueOf(&v).Elem().Bytes())
		return nil
	}
	if o.flat != nil && o.flat.encode(buf, reflect.ValueOf(&v).Elem()) {
		return nil
	}
	return json.MarshalWrite(buf, &v, o.options)
}

// Decode reads what Encode wrote.
func (o *Output[T]) Decode(body []byte, into *T) error {
	if o.text {
		reflect.ValueOf(into).Elem().SetString(string(body))
		return nil
	}
	if o.raw {
		reflect.ValueOf(into).Elem().SetBytes(bytes.Clone(body))
		return nil
	}
	return json.Unmarshal(body, into, options)
}

// EncodeEach writes a list of values to buf, also if a []T is bytes in Go.
func (o *Output[T]) EncodeEach(buf *bytes.Buffer, values []T) error {
	buf.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			buf.WriteByte(',')
		}
		if err := o.Encode(buf, v); err != nil {
			return err
		}
	}
	buf.WriteByte(']')
	return nil
}

// List returns the schema of a list of T, also if a []T is bytes in Go.
func (o *Output[T]) List() *Schema { return &Schema{node: &node{kind: kindList, elem: o.node}} }

// Schema returns the schema of T.
func (o *Output[T]) Schema() *Schema {
	return &Schema{node: o.node, bytes: o.raw, root: o.node.kind == kindObject}
}
