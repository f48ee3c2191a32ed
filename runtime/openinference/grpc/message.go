package openinferencegrpc

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is a field of a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // of a string, a message, packed numbers, or a number of fixed size
	varint uint64
}

// fields calls each for every field of a message. Bytes are parts of the message.
func fields(message []byte, each func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return broken(n)
		}
		message = message[n:]
		f := field{number: number, kind: kind}
		switch kind {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		default:
			if n = protowire.ConsumeFieldValue(number, kind, message); n > 0 {
				f.bytes = message[:n]
			}
		}
		if n < 0 {
			return broken(n)
		}
		message = message[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func broken(n int) error {
	return fmt.Errorf("the message must be protobuf: %w", protowire.ParseError(n))
}

// is reports whether f has a number and a type. A known number with another type is an unknown
// field, as protobuf has it.
func (f *field) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

// mostText bounds a name, in bytes: errors repeat it.
const mostText = 256

// text reads a name, if f is the field with this number.
func (f *field) text(number protowire.Number, to *string) error {
	if !f.is(number, protowire.BytesType) {
		return nil
	}
	if len(f.bytes) > mostText {
		return fmt.Errorf("field %d of the message must be at most %d bytes, found %d", number, mostText, len(f.bytes))
	}
	if !utf8.Valid(f.bytes) {
		return fmt.Errorf("field %d of the message must be UTF-8, found %.50q", number, f.bytes)
	}
	*to = string(f.bytes)
	return nil
}

// varints calls each for the numbers of a repeated field, packed or not.
func (f *field) varints(each func(uint64) error) error {
	if f.kind == protowire.VarintType {
		return each(f.varint)
	}
	for packed := f.bytes; len(packed) > 0; {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return broken(n)
		}
		if err := each(v); err != nil {
			return err
		}
		packed = packed[n:]
	}
	return nil
}

// appendString appends a string, unless it is empty.
func appendString(to []byte, number protowire.Number, text string) []byte {
	if text == "" {
		return to
	}
	return protowire.AppendString(protowire.AppendTag(to, number, protowire.BytesType), text)
}

// appendBytes appends bytes, or a message.
func appendBytes(to []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), content)
}

// appendShape appends a shape as packed numbers.
func appendShape(to []byte, number protowire.Number, shape []int64) []byte {
	var packed []byte
	for _, n := range shape {
		packed = protowire.AppendVarint(packed, uint64(n))
	}
	return appendBytes(to, number, packed)
}
