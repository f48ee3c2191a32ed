package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// A tree is a parsed body: nil, bool, string, number, raw, []any or *object.
type (
	number string         // as written in the body
	raw    jsontext.Value // for a type that decodes its JSON itself
)

// object keeps the order of its names. set replaces an earlier value of a name; add
// allows a name twice.
type object struct {
	names  []string
	values []any
	at     map[string]int
}

func (o *object) get(name string) (any, bool) {
	i, ok := o.at[name]
	if !ok {
		return nil, false
	}
	return o.values[i], true
}

func (o *object) set(name string, v any) {
	if i, ok := o.at[name]; ok {
		o.values[i] = v
		return
	}
	if o.at == nil {
		o.at = map[string]int{}
	}
	o.at[name] = len(o.names)
	o.add(name, v)
}

func (o *object) add(name string, v any) {
	o.names = append(o.names, name)
	o.values = append(o.values, v)
}

// parse parses body into a tree, a large one until ctx ends. n only decides which values
// stay raw.
func parse(ctx context.Context, body []byte, n *node) (any, error) {
	var from io.Reader = bytes.NewReader(body)
	if len(body) >= large {
		from = &reader{ctx, body}
	}
	dec := jsontext.NewDecoder(from, options)
	tree, err := parseValue(dec, n)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err == nil || !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return tree, nil
}

// free is the node of unknown fields.
var free = &node{kind: kindAny}

func parseValue(dec *jsontext.Decoder, n *node) (any, error) {
	next := dec.PeekKind()
	if n.kind == kindAny || n.kind == kindFile || n == free {
		value, err := dec.ReadValue()
		return raw(value.Clone()), err
	}
	switch next {
	case '{':
		return parseObject(dec, n)
	case '[':
		return parseList(dec, n)
	}
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch next {
	case 'n':
		return nil, nil
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	}
	return number(token.String()), nil
}

func parseObject(dec *jsontext.Decoder, n *node) (any, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	o := &object{}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		below := free
		if f := n.byName[name]; f != nil {
			below = f.node
		} else if n.kind == kindDict {
			below = n.elem
		}
		value, err := parseValue(dec, below)
		if err != nil {
			return nil, err
		}
		if n.kind == kindDict { // also check replaced values, as pydantic does
			o.add(name, value)
		} else {
			o.set(name, value)
		}
	}
	_, err := dec.ReadToken()
	return o, err
}

func parseList(dec *jsontext.Decoder, n *node) (any, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	below := free
	if n.kind == kindList {
		below = n.elem
	}
	items := []any{}
	for next := dec.PeekKind(); next != ']' && next != 0; next = dec.PeekKind() {
		item, err := parseValue(dec, below)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := dec.ReadToken()
	return items, err
}

// render writes a tree as JSON.
func render(to []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(to, "null"...)
	case bool:
		if v {
			return append(to, "true"...)
		}
		return append(to, "false"...)
	case string:
		return append(to, quote(v)...)
	case number:
		return append(to, v...)
	case raw:
		return append(to, v...)
	case []any:
		to = append(to, '[')
		for i, item := range v {
			if i > 0 {
				to = append(to, ',')
			}
			to = render(to, item)
		}
		return append(to, ']')
	case *object:
		to = append(to, '{')
		for i, name := range v.names {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(append(to, quote(name)...), ':')
			to = render(to, v.values[i])
		}
		return append(to, '}')
	}
	return to
}

func quote(s string) []byte {
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8, which AppendQuote replaces
		return slices.Clip(quoted)
	}
	return quoted
}
