package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// checker has a decoder that is used again.
type checker struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

var checkers = sync.Pool{New: func() any {
	c := &checker{}
	c.dec = jsontext.NewDecoder(&c.buf, options)
	return c
}}

// accepts reports whether body is valid for n without conversions, and without
// defaults below the top level. If it returns false, coerce may still accept the
// body. A large body is not accepted if ctx ends before it is checked.
func (n *node) accepts(ctx context.Context, body []byte) bool {
	if len(body) >= large {
		return (&checker{dec: jsontext.NewDecoder(&reader{ctx, body}, options)}).accepts(n)
	}
	c := checkers.Get().(*checker)
	defer func() {
		c.buf = bytes.Buffer{} // releases the body
		checkers.Put(c)
	}()
	c.buf = *bytes.NewBuffer(body)
	c.dec.Reset(&c.buf, options)
	return c.accepts(n)
}

func (c *checker) accepts(n *node) bool {
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
	case kindFile:
		return false
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

// object checks one object. At the top level, missing names with a preset have their
// defaults already.
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
		if missing && (f.required || f.fallback != nil && (!top || !f.preset())) {
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
	// Package json merges the values of equal names if they are objects.
	var seen map[string]bool
	if n.elem.kind == kindObject || n.elem.kind == kindDict || n.elem.kind == kindAny {
		seen = map[string]bool{}
	}
	for c.dec.PeekKind() == '"' {
		name, err := c.dec.ReadValue()
		if err != nil || seen[string(name)] || seen != nil && bytes.IndexByte(name, '\\') >= 0 {
			return false
		}
		if seen != nil {
			seen[string(name)] = true
		}
		if !c.value(n.elem, false) {
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
	if n.rules.tooShort(count) != nil || n.rules.tooLong(count) != nil {
		return false
	}
	_, err := c.dec.ReadToken()
	return err == nil
}

// longText is the length of a string, in bytes, for which a pattern may take long.
const longText = 1024

// stringObeys checks a quoted string. If there are rules, coerce checks strings with
// escapes, and long ones with a pattern, so that the pattern runs once.
func (r *rules) stringObeys(raw []byte) bool {
	if r.minLength == nil && r.maxLength == nil && r.pattern == nil && r.enum == nil {
		return true
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return false
	}
	content := raw[1 : len(raw)-1]
	if r.pattern != nil && len(content) > longText {
		return false
	}
	length := utf8.RuneCount(content)
	if r.minLength != nil && length < *r.minLength || r.maxLength != nil && length > *r.maxLength {
		return false
	}
	if r.pattern != nil && !r.pattern.Match(content) {
		return false
	}
	return r.enumHas(content)
}

// numberObeys checks a JSON number.
func (n *node) numberObeys(raw []byte) bool {
	r := &n.rules
	if n.kind == kindInteger && bytes.ContainsAny(raw, ".eE") || !r.enumHas(raw) {
		return false
	}
	if !r.limitNumbers() {
		return true
	}
	var q quantity
	var err error
	if n.kind == kindInteger {
		q.whole, err = parseInteger(string(raw))
	} else {
		q.isFloat = true
		q.float, err = strconv.ParseFloat(string(raw), 64)
	}
	return err == nil && r.number(q) == nil
}
