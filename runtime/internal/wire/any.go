package wire

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// exact has the options with which whole numbers in an any keep all their digits. A
// number is a float64, as usual in Go, except a whole number beyond 2^53, which is an
// int64, or beyond int64 a *big.Int. exactNamed does the same for other types of empty
// interfaces too, and reads a json.Number. It takes longer, because json calls its
// function for every value.
var (
	exact = json.JoinOptions(options, json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, to *any) (err error) {
		*to, err = decodeAny(dec)
		return err
	})))
	exactNamed = json.JoinOptions(options, json.WithUnmarshalers(json.JoinUnmarshalers(readLiteral, json.UnmarshalFromFunc(func(dec *jsontext.Decoder, to any) (err error) {
		p := reflect.ValueOf(to)
		if t := p.Type().Elem(); t.Kind() != reflect.Interface || t.NumMethod() > 0 {
			return errors.ErrUnsupported // json decodes it
		}
		plain := p.Convert(reflect.TypeFor[*any]()).Interface().(*any)
		*plain, err = decodeAny(dec)
		return err
	}))))
	// literal has the options with which a json.Number is written.
	literal = json.JoinOptions(options, json.WithMarshalers(writeLiteral))
)

// placed is a fault with its place in the decoded JSON.
type placed struct {
	*fault
	at jsontext.Pointer
}

func decodeAny(dec *jsontext.Decoder) (any, error) {
	switch dec.PeekKind() {
	case '{':
		return decodeObject(dec)
	case '[':
		return decodeList(dec)
	case '0':
		text, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		v, f := exactNumber(string(text))
		if f != nil {
			return nil, &placed{f, dec.StackPointer()}
		}
		return v, nil
	}
	token, err := dec.ReadToken()
	switch {
	case err != nil:
		return nil, err
	case token.Kind() == '"':
		return token.String(), nil
	case token.Kind() == 'n':
		return nil, nil
	}
	return token.Bool(), nil
}

// decodeObject decodes an object. Package json is not used, because it merges the
// values of equal names.
func decodeObject(dec *jsontext.Decoder) (any, error) {
	_, err := dec.ReadToken()
	fields := map[string]any{}
	for err == nil && dec.PeekKind() != '}' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err == nil {
			key := name.String()
			fields[key], err = decodeAny(dec)
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return fields, err
}

func decodeList(dec *jsontext.Decoder) (any, error) {
	_, err := dec.ReadToken()
	items := []any{}
	for err == nil && dec.PeekKind() != ']' {
		var item any
		item, err = decodeAny(dec)
		items = append(items, item)
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return items, err
}

// maxDigits is Python's limit for parsing an integer.
const maxDigits = 4300

func exactNumber(text string) (any, *fault) {
	float, err := strconv.ParseFloat(text, 64)
	switch {
	case isFloat(text) && err != nil:
		return nil, notFinite
	case isFloat(text), math.Abs(float) < 1<<53:
		return float, nil
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if len(strings.TrimPrefix(text, "-")) > maxDigits {
		return nil, &fault{"int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"}
	}
	i, _ := new(big.Int).SetString(text, 10)
	return i, nil
}
