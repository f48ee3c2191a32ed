package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// flat decodes objects of strings, numbers and booleans, without escapes, in one
// pass that sets the fields. It leaves all other bodies to the general decoder.
//
// For a small body, it takes a quarter of the time of the general decoder: 95 instead
// of 380 ns for {"text":"hello"}, 290 instead of 1100 ns for three fields (go test
// -bench Flat). A request takes about 2 us without the network.
type flat struct {
	fields   []flatField
	byName   map[string]int
	required uint64
}

type flatField struct {
	index int // of the struct's field
	node  *node
}

// newFlat returns nil for types that flat does not support.
func newFlat(t reflect.Type, n *node) *flat {
	if n.kind != kindObject || len(n.fields) > 64 || t.Kind() != reflect.Struct {
		return nil
	}
	f := &flat{byName: map[string]int{}}
	next := 0
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Anonymous {
			return nil
		}
		if !sf.IsExported() || sf.Tag.Get("json") == "-" {
			continue
		}
		if next == len(n.fields) || n.fields[next].node.nullable {
			return nil
		}
		switch n.fields[next].node.kind {
		case kindString, kindInteger, kindFloat, kindBool:
		default:
			return nil
		}
		if n.fields[next].required {
			f.required |= 1 << next
		}
		f.byName[n.fields[next].name] = next
		f.fields = append(f.fields, flatField{index: i, node: n.fields[next].node})
		next++
	}
	if next != len(n.fields) {
		return nil
	}
	return f
}

// decode fills the struct into from body. It returns false if it cannot.
func (f *flat) decode(body []byte, into reflect.Value) bool {
	c := cursor{rest: body}
	if !c.skip('{') {
		return false
	}
	var seen uint64
	for first := true; !c.skip('}'); first = false {
		if !first && !c.skip(',') {
			return false
		}
		name, ok := c.text()
		if !ok || !c.skip(':') {
			return false
		}
		i, known := f.byName[string(name)]
		if !known || seen&(1<<i) != 0 || !c.field(f.fields[i].node, into.Field(f.fields[i].index)) {
			return false
		}
		seen |= 1 << i
	}
	c.space()
	return len(c.rest) == 0 && seen&f.required == f.required
}

// cursor reads JSON from the front of rest.
type cursor struct{ rest []byte }

func (c *cursor) space() {
	for len(c.rest) > 0 && (c.rest[0] == ' ' || c.rest[0] == '\n' || c.rest[0] == '\t' || c.rest[0] == '\r') {
		c.rest = c.rest[1:]
	}
}

// skip reads the character want, and the blanks before it.
func (c *cursor) skip(want byte) bool {
	c.space()
	if len(c.rest) == 0 || c.rest[0] != want {
		return false
	}
	c.rest = c.rest[1:]
	return true
}

// quoted reads a string without escapes. It returns it with its quotes.
func (c *cursor) quoted() ([]byte, bool) {
	c.space()
	if len(c.rest) < 2 || c.rest[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(c.rest[1:], '"')
	if end < 0 || !simple(c.rest[1:end+1]) {
		return nil, false
	}
	raw := c.rest[:end+2]
	c.rest = c.rest[end+2:]
	return raw, true
}

func (c *cursor) text() ([]byte, bool) {
	raw, ok := c.quoted()
	if !ok {
		return nil, false
	}
	return raw[1 : len(raw)-1], true
}

// simple reports whether the content of a string needs no unquoting: it has no
// backslash and no control character, and is valid UTF-8. It checks eight bytes at a
// time.
func simple(s []byte) bool {
	if bytes.IndexByte(s, '\\') >= 0 {
		return false
	}
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for rest := s; ; rest = rest[8:] {
		if len(rest) < 8 {
			for _, b := range rest {
				if b < ' ' || b >= utf8.RuneSelf {
					return b >= utf8.RuneSelf && printable(s)
				}
			}
			return true
		}
		word := binary.LittleEndian.Uint64(rest)
		if odd := (word | (word - ones*' ')) & high; bits.OnesCount64(odd) > 0 {
			return printable(s)
		}
	}
}

// printable is like simple, for content that is not only ASCII.
func printable(s []byte) bool {
	for _, b := range s {
		if b < ' ' {
			return false
		}
	}
	return utf8.Valid(s)
}

// number reads a JSON number.
func (c *cursor) number() ([]byte, bool) {
	c.space()
	s, i := c.rest, 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	from := i
	i = digits(s, i)
	if i == from || s[from] == '0' && i > from+1 {
		return nil, false
	}
	if i < len(s) && s[i] == '.' {
		from = i + 1
		if i = digits(s, from); i == from {
			return nil, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		from = i
		if i = digits(s, from); i == from {
			return nil, false
		}
	}
	c.rest = s[i:]
	return s[:i], true
}

// digits returns the end of the digits that begin at i.
func digits(s []byte, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// field reads one value into v. It returns false if n's rules do not allow the value.
func (c *cursor) field(n *node, v reflect.Value) bool {
	switch n.kind {
	case kindString:
		raw, ok := c.quoted()
		if !ok || !n.rules.stringObeys(raw) {
			return false
		}
		v.SetString(string(raw[1 : len(raw)-1]))
		return true
	case kindBool:
		return c.boolean(v)
	}
	raw, ok := c.number()
	if !ok || !n.numberObeys(raw) {
		return false
	}
	return setNumber(raw, v)
}

func (c *cursor) boolean(v reflect.Value) bool {
	c.space()
	for _, word := range [...]string{"true", "false"} {
		if len(c.rest) >= len(word) && string(c.rest[:len(word)]) == word {
			c.rest = c.rest[len(word):]
			v.SetBool(word == "true")
			return true
		}
	}
	return false
}

func setNumber(raw []byte, v reflect.Value) bool {
	switch {
	case v.CanInt():
		i, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		v.SetInt(i)
		return err == nil
	case v.CanUint():
		u, err := strconv.ParseUint(string(raw), 10, v.Type().Bits())
		v.SetUint(u)
		return err == nil
	}
	f, err := strconv.ParseFloat(string(raw), v.Type().Bits())
	v.SetFloat(f)
	return err == nil
}
