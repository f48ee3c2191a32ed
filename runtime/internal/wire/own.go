package wire

import (
	"encoding/base64"
	"errors"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
)

// takesNull says whether null is a value of n. A type that decodes itself
// decides that itself, but for times and bytes, which pydantic does not make of
// null.
func (n *node) takesNull() bool {
	return n.nullable || n.kind == kindAny && n.format != "date-time" && n.format != "binary"
}

// decodes adds to wrong what the type of n has against v, which is as the body
// has it.
func (n *node) decodes(v any, loc []any, wrong []Violation) []Violation {
	text, ok := v.(raw)
	null := string(text) == "null"
	if !ok || n.own == nil || null && n.nullable {
		return wrong
	}
	err := json.Unmarshal(text, reflect.New(n.own).Interface(), options)
	if err == nil && (!null || n.takesNull()) {
		return wrong
	}
	var violation Violation
	switch n.format {
	case "date-time":
		violation = Violation{Type: "datetime_type", Msg: "Input should be a valid datetime"}
		if text[0] == '"' {
			violation = Violation{Type: "datetime_parsing", Msg: "Input should be a valid datetime, such as 2006-01-02T15:04:05Z"}
		}
	case "binary":
		violation = bytesViolation(text, n.own)
	default:
		violation = unmarshalViolation(err)
	}
	violation.Loc = append(slices.Clone(loc), violation.Loc...)
	return append(wrong, violation)
}

// bytesViolation says why text, which is JSON, is not the base64 of a t.
func bytesViolation(text raw, t reflect.Type) Violation {
	var encoded string
	if json.Unmarshal([]byte(text), &encoded) != nil || text[0] != '"' {
		return Violation{Type: "bytes_type", Msg: "Input should be a valid bytes"}
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil || t.Kind() != reflect.Array:
		return Violation{Type: "bytes_invalid_encoding", Msg: "Data should be valid base64"}
	case len(decoded) < t.Len():
		return Violation{Type: "bytes_too_short", Msg: "Data should have at least " + count(t.Len(), "byte")}
	default:
		return Violation{Type: "bytes_too_long", Msg: "Data should have at most " + count(t.Len(), "byte")}
	}
}

// unmarshalViolation is what a type's own unmarshaller refused, in its words.
func unmarshalViolation(err error) Violation {
	v := Violation{Type: "value_error", Loc: []any{}, Msg: "Value error, " + err.Error()}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		for token := range semantic.JSONPointer.Tokens() {
			v.Loc = append(v.Loc, token)
		}
		if semantic.Err != nil {
			v.Msg = "Value error, " + semantic.Err.Error()
		}
	}
	return v
}
