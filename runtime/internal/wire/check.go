package wire

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// checker is a decoder that is used again.
type checker struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

var checkers = sync.Pool{New: func() any {
	c := &checker{}
	c.dec = jsontext.NewDecoder(&c.buf, options)
	return c
}}

// accepts reports whether body obeys n as it stands. It never accepts what
// coerce would refuse or change; what it does not accept may still be right.
func (n *node) accepts(body []byte) bool {
	c := checkers.Get().(*checker)
	defer func() {
		c.buf = bytes.Buffer{} // let go of the body
		checkers.Put(c)
	}()
	c.buf = *bytes.NewBuffer(body)
	c.dec.Reset(&c.buf, options)
	if !c.value(n, true) {
		return false
	}
	_, err := c.dec.ReadToken()
	return errors.Is(err, io.EOF)
}

func (c *checker) value(n *node, top bool) bool {
	next := c.dec.PeekKind()
	if next == 'n' && !n.takesNull() {
		return false
	}
	if next == 'n' {
		return c.dec.SkipValue() == nil
	}
	switch n.kind {
	case kindAny:
		return c.dec.SkipValue() == nil
	case kindObject:
		return next == '{' && c.object(n, top)
	case kindDict:
		return next == '{' && c.dict(n)
	case kindList:
		return next == '[' && c.list(n)
	case kindBool:
		return (next == 't' || next == 'f') && c.dec.SkipValue() == nil
	case kindString:
		raw, err := c.dec.ReadValue()
		return next == '"' && err == nil && n.rules.stringObeys(raw)
	}
	raw, err := c.dec.ReadValue()
	return next == '0' && err == nil && n.numberObeys(raw)
}

// object checks one object; top says that missing names have their default from
// the preset.
func (c *checker) object(n *node, top bool) bool {
	if _, err := c.dec.ReadToken(); err != nil {
		return false
	}
	var seen [4]uint64
	for c.dec.PeekKind() == '"' {
		raw, err := c.dec.ReadValue()
		if err != nil || bytes.IndexByte(raw, '\\') >= 0 {
			return false
		}
		f, known := n.byName[string(raw[1:len(raw)-1])]
		if !known {
			if c.dec.SkipValue() != nil {
				return false
			}
			continue
		}
		word, bit := f.index/64, uint64(1)<<(f.index%64)
		if word >= len(seen) || seen[word]&bit != 0 || !c.value(f.node, false) {
			return false
		}
		seen[word] |= bit
	}
	for _, f := range n.fields {
		missing := f.index/64 >= len(seen) || seen[f.index/64]&(1<<(f.index%64)) == 0
		if missing && (f.required || !top && f.fallback != nil) {
			return false
		}
	}
	_, err := c.dec.ReadToken()
	return err == nil
}

func (c *checker) dict(n *node) bool {
	if _, err := c.dec.ReadToken(); err != nil {
		return false
	}
	for c.dec.PeekKind() == '"' {
		if c.dec.SkipValue() != nil || !c.value(n.elem, false) {
			return false
		}
	}
	_, err := c.dec.ReadToken()
	return err == nil
}

func (c *checker) list(n *node) bool {
	if _, err := c.dec.ReadToken(); err != nil {
		return false
	}
	count := 0
	for next := c.dec.PeekKind(); next != ']' && next != 0; next = c.dec.PeekKind() {
		if !c.value(n.elem, false) {
			return false
		}
		count++
	}
	if r := &n.rules; r.minItems != nil && count < *r.minItems || r.maxItems != nil && count > *r.maxItems {
		return false
	}
	_, err := c.dec.ReadToken()
	return err == nil
}

// stringObeys checks a quoted string. One with escapes is left to the long way
// if there are rules.
func (r *rules) stringObeys(raw []byte) bool {
	if r.minLength == nil && r.maxLength == nil && r.pattern == nil && r.enum == nil {
		return true
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return false
	}
	content := raw[1 : len(raw)-1]
	length := utf8.RuneCount(content)
	if r.minLength != nil && length < *r.minLength || r.maxLength != nil && length > *r.maxLength {
		return false
	}
	if r.pattern != nil && !r.pattern.Match(content) {
		return false
	}
	return r.enumHas(content)
}

func (r *rules) enumHas(content []byte) bool {
	if r.enum == nil {
		return true
	}
	for _, value := range r.enum {
		if string(content) == value {
			return true
		}
	}
	return false
}

func (n *node) numberObeys(raw []byte) bool {
	r := &n.rules
	if n.kind == kindInteger && bytes.ContainsAny(raw, ".eE") || !r.enumHas(raw) {
		return false
	}
	if r.minimum == nil && r.maximum == nil && r.above == nil && r.below == nil && r.multipleOf == nil {
		return true
	}
	value, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && r.broken(value) == ""
}
