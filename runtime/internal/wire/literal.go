package wire

import (
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var literalType = reflect.TypeFor[stdjson.Number]()

// readLiteral reads a json.Number of package encoding/json with all its digits.
// Package json of this file would take it for a string. A string that holds a number
// is accepted, as it is for a float64.
var readLiteral = json.UnmarshalFromFunc(func(dec *jsontext.Decoder, to *stdjson.Number) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	text, quoted := string(value), value.Kind() == '"'
	if quoted {
		if err := json.Unmarshal(value, &text); err != nil {
			return err
		}
	}
	switch {
	case isLiteral(text):
		*to = stdjson.Number(text)
		return nil
	case quoted:
		return &placed{floatParsing, dec.StackPointer()}
	}
	return &placed{floatType, dec.StackPointer()}
})

// writeLiteral writes a json.Number as a number, and an empty one as 0, as package
// encoding/json does.
var writeLiteral = json.MarshalToFunc(func(enc *jsontext.Encoder, n stdjson.Number) error {
	if n == "" {
		n = "0"
	}
	if !isLiteral(string(n)) {
		return fmt.Errorf("a json.Number must hold a JSON number, found %q", string(n))
	}
	return enc.WriteValue(jsontext.Value(n))
})

// isLiteral reports whether text is a JSON number, without space around it.
func isLiteral(text string) bool {
	value := jsontext.Value(text)
	return text != "" && value.Kind() == '0' && text == strings.TrimSpace(text) && value.IsValid()
}
