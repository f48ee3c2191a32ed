package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// takesNull reports whether n accepts null. A type that decodes its JSON itself
// decides this, unless it is a string in JSON.
func (n *node) takesNull() bool { return n.nullable || n.kind == kindAny && n.format == "" }

// decodes decodes v with the type of n and adds the errors to wrong.
func (n *node) decodes(v any, loc []any, wrong *violations) {
	text, ok := v.(raw)
	null := string(text) == "null"
	if !ok || null && n.nullable {
		return
	}
	var err error
	if n.own != nil {
		err = json.Unmarshal(text, reflect.New(n.own).Interface(), exactNamed, json.StringifyNumbers(n.quoted != nil))
	}
	if err == nil && (!null || n.takesNull()) {
		return
	}
	switch {
	case n.quoted != nil:
		wrong.add(loc, n.quotedFault(text))
		return
	case err == nil && n.format == "text": // null
		wrong.add(loc, notString)
		return
	}
	switch n.format {
	case "date-time":
		if text[0] == '"' {
			wrong.add(loc, &fault{"datetime_parsing", "Input should be a valid datetime, such as 2006-01-02T15:04:05Z"})
			return
		}
		wrong.add(loc, &fault{"datetime_type", "Input should be a valid datetime"})
	case "base64":
		wrong.add(loc, bytesFault(text, n.own))
	default:
		addDecodeError(wrong, loc, text, err)
	}
}

// bytesFault returns why the JSON text is not the base64 of a t.
func bytesFault(text raw, t reflect.Type) *fault {
	var encoded string
	if json.Unmarshal([]byte(text), &encoded) != nil || text[0] != '"' {
		return &fault{"bytes_type", "Input should be a valid bytes"}
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil || t.Kind() != reflect.Array:
		return &fault{"bytes_invalid_encoding", "Data should be valid base64"}
	case len(decoded) < t.Len():
		return &fault{"bytes_too_short", "Data should have at least " + count(t.Len(), "byte")}
	default:
		return &fault{"bytes_too_long", "Data should have at most " + count(t.Len(), "byte")}
	}
}

// base64Pattern matches the strings that decode to a t, a slice or an array of
// bytes.
func base64Pattern(t reflect.Type) string {
	const char = "[A-Za-z0-9+/]"
	if t.Kind() == reflect.Slice {
		return "^(?:" + char + "{4})*(?:" + char + "{2}==|" + char + "{3}=)?$"
	}
	tail := [...]string{"", char + "{2}==", char + "{3}="}[t.Len()%3]
	return fmt.Sprintf("^(?:%s{4}){%d}%s$", char, t.Len()/3, tail)
}

// addDecodeError adds the error of a type that decodes its JSON itself.
func addDecodeError(wrong *violations, loc []any, text []byte, err error) {
	f := &fault{"value_error", "Value error, " + err.Error()}
	var inside []any
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		inside = steps(text, semantic.JSONPointer)
		if semantic.Err != nil {
			f.msg = "Value error, " + semantic.Err.Error()
		}
	}
	var known *placed
	if errors.As(err, &known) {
		f, inside = known.fault, steps(text, known.at)
	}
	wrong.add(loc, f, inside...)
}

// steps converts a pointer into text to a Loc, in which list indices are integers.
func steps(text []byte, pointer jsontext.Pointer) []any {
	dec := jsontext.NewDecoder(bytes.NewReader(text), options)
	var loc []any
	for token := range pointer.Tokens() {
		open, _ := dec.ReadToken()
		index, err := strconv.Atoi(token)
		if open.Kind() != '[' || err != nil {
			loc = append(loc, token)
			skipTo(dec, token)
			continue
		}
		loc = append(loc, index)
		for range index {
			_ = dec.SkipValue()
		}
	}
	return loc
}

// skipTo reads the names of an object up to name, so that its value is next.
func skipTo(dec *jsontext.Decoder, name string) {
	for dec.PeekKind() == '"' {
		if found, err := dec.ReadToken(); err != nil || found.String() == name {
			return
		}
		if dec.SkipValue() != nil {
			return
		}
	}
}
