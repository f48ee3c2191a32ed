package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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

// parse parses body into a tree. n only decides which values stay raw.
func parse(body []byte, n *node) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(body), options)
	tree, err := parseValue(dec, n)
	if err != nil {
		return nil, err
	}
	end := dec.InputOffset()
	if _, err := dec.ReadToken(); err == nil || !errors.Is(err, io.EOF) {
		return nil, &trailing{end}
	}
	return tree, nil
}

// trailing is the error of a body with data after its value.
type trailing struct{ offset int64 }

func (*trailing) Error() string { return "trailing characters" }

// free is the node of unknown fields.
var free = &node{kind: kindAny}

func parseValue(dec *jsontext.Decoder, n *node) (any, error) {
	next := dec.PeekKind()
	if n.kind == kindAny || n == free {
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

// syntaxFault returns where and why a body is not JSON, with BentoML's message if
// BentoML has one for the cause.
func syntaxFault(body []byte, err error) *fault {
	offset, msg := int64(len(body)), "EOF while parsing a value"
	var syntactic *jsontext.SyntacticError
	var after *trailing
	switch {
	case errors.As(err, &after):
		offset, msg = after.offset, "trailing characters"
		for offset < int64(len(body)) && strings.ContainsRune(blanks, rune(body[offset])) {
			offset++
		}
		offset++
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
	case errors.As(err, &syntactic):
		offset, msg = pydanticSyntax(body, syntactic)
	}
	before := body[:min(offset, int64(len(body)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := offset - int64(bytes.LastIndexByte(before, '\n')+1)
	return &fault{notJSON, fmt.Sprintf("Invalid JSON: %s at line %d column %d", msg, line, column)}
}

// syntaxMessages maps a part of jsontext's message to BentoML's message.
var syntaxMessages = []struct{ part, message string }{
	{"UTF-8", "invalid unicode code point"},
	{"after array element", "expected `,` or `]`"},
	{"after object value", "expected `,` or `}`"},
	{"after object name", "expected `:`"},
	{"name must be a string", "key must be a string"},
	{"in string (expecting non-control character)", `control character (\u0000-\u001F) found while parsing a string`},
	{"in number", "invalid number"},
	{"in literal", "expected ident"},
	{"invalid escape sequence", "invalid escape"},
	{"at start of value", "expected value"},
}

// pydanticSyntax returns the place after the wrong character, and BentoML's message.
func pydanticSyntax(body []byte, err *jsontext.SyntacticError) (offset int64, msg string) {
	offset, msg = err.ByteOffset+1, strings.TrimPrefix(err.Err.Error(), "jsontext: ")
	for _, known := range syntaxMessages {
		if strings.Contains(msg, known.part) {
			msg = known.message
			break
		}
	}
	if offset >= int64(len(body)) {
		return offset, msg
	}
	switch wrong, next := body[offset-1], body[offset]; {
	case msg == "invalid escape" && next != 'u':
		offset++
	case msg == "expected value":
		before, after := bytes.TrimRight(body[:offset-1], blanks), bytes.TrimLeft(body[offset:], blanks)
		switch {
		case bytes.HasSuffix(before, []byte("{")):
			msg = "key must be a string"
		case wrong == ',' && endsValue(before) && len(after) > 0 && (after[0] == ']' || after[0] == '}'):
			offset, msg = int64(len(body)-len(after)+1), "trailing comma"
		}
	}
	return offset, msg
}

const blanks = " \t\r\n"

// endsValue reports whether a value, and not a sign before it, ends text.
func endsValue(text []byte) bool {
	return len(text) > 0 && !strings.ContainsRune("[,:", rune(text[len(text)-1]))
}
