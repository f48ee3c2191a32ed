package wire

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Items decodes a body with one parameter that is a list of T, or one T:
// {"texts": ["a", "b"]} or {"texts": "a"}. It is safe for concurrent use.
//
// A JSON array is always the list. So a T that is itself a slice or an array must be
// in a list, because [1, 2] would be ambiguous. Numbers of a uint8 type are a list of numbers,
// although a []T is bytes in Go.
type Items[T any] struct {
	name string
	list *Input[parameter[[]T]]
	one  *Input[parameter[T]]
}

// NewItems compiles an input with the required parameter name, required also if T is a
// pointer. It returns all errors of T's declaration, joined.
func NewItems[T any](name string, attachments ...Attachment) (*Items[T], error) {
	if name == "" || name == "-" || strings.ContainsAny(name, "\",'`\\") {
		return nil, fmt.Errorf("parameter %q: must be a name without commas, quotes and backslashes", name)
	}
	one, err := newParameter[T](name, attachments)
	if err != nil {
		return nil, err
	}
	list, err := newParameter[[]T](name, attachments)
	if err != nil {
		return nil, err
	}
	if reflect.TypeFor[T]().Kind() == reflect.Uint8 {
		list.node.fields[0].node = &node{kind: kindList, elem: one.node.fields[0].node}
		list.options = json.JoinOptions(list.options, json.WithUnmarshalers(json.UnmarshalFromFunc(readEach[T])))
	}
	return &Items[T]{name, list, one}, nil
}

// readEach decodes a list, also of a type for which json expects base64.
func readEach[T any](dec *jsontext.Decoder, to *[]T) error {
	if _, err := dec.ReadToken(); err != nil { // the [
		return err
	}
	*to = []T{}
	for dec.PeekKind() != ']' {
		var one T
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		*to = append(*to, one)
	}
	_, err := dec.ReadToken()
	return err
}

// item returns the node of one item.
func (i *Items[T]) item() *node { return i.one.node.fields[0].node }

// Single reports whether one item without a list is accepted. One file is a list of one.
func (i *Items[T]) Single() bool { return i.item().kind != kindList && i.item().kind != kindFile }

// Decode returns the items of body, and whether the parameter was one item without a
// list. The error is an [Invalid]. As in BentoML, which accepts only lists, it asks
// for a list, unless the value is an object and T is one. For a body of 1 MiB or more it stops
// when ctx ends, and returns the error of ctx.
func (i *Items[T]) Decode(ctx context.Context, body []byte, files Files) (items []T, single bool, err error) {
	var list parameter[[]T]
	if i.list.quick(ctx, body, &list) {
		return list.Value, false, nil
	}
	if i.Single() {
		var one parameter[T]
		if i.item().kind != kindAny && i.one.quick(ctx, body, &one) {
			return []T{one.Value}, true, nil
		}
		if kind := valueKind(body, i.name); kind != '[' && kind != jsontext.KindInvalid {
			if err := i.one.Decode(ctx, body, files, &one); err == nil || kind == '{' && i.item().takesObjects() {
				return []T{one.Value}, true, err
			}
		}
	}
	err = i.list.Decode(ctx, body, files, &list)
	return list.Value, false, err
}

// IsFile reports whether the parameter of a name is the list of items, and items are files.
func (i *Items[T]) IsFile(name string) bool { return i.list.IsFile(name) }

func (n *node) takesObjects() bool {
	return n.kind == kindObject || n.kind == kindDict || n.kind == kindAny && n.format == ""
}

// valueKind returns the kind of the value of name, or invalid if there is none.
func valueKind(body []byte, name string) jsontext.Kind {
	var fields map[string]jsontext.Value
	if json.Unmarshal(body, &fields, options) != nil {
		return jsontext.KindInvalid
	}
	return fields[name].Kind()
}

// Schema returns the schema of the parameter. /schema.json has the list, as in
// BentoML; OpenAPI has both forms.
func (i *Items[T]) Schema() *Schema {
	s := i.list.Schema()
	if i.Single() {
		s.one, s.parameter = i.item(), i.list.node.fields[0]
	}
	return s
}
