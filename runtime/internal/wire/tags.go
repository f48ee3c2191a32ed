package wire

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tags reads the constraints of a field into r and reports whether there are
// any.
func (c *compiler) tags(r *rules, n *node, sf reflect.StructField, where string) bool {
	r.minLength = tag(c, sf, where, "minLength", "a whole number", whole, n, kindString)
	r.maxLength = tag(c, sf, where, "maxLength", "a whole number", whole, n, kindString)
	r.minItems = tag(c, sf, where, "minItems", "a whole number", whole, n, kindList)
	r.maxItems = tag(c, sf, where, "maxItems", "a whole number", whole, n, kindList)
	for key, value := range map[string]**float64{
		"minimum": &r.minimum, "maximum": &r.maximum, "exclusiveMinimum": &r.above, "exclusiveMaximum": &r.below, "multipleOf": &r.multipleOf,
	} {
		*value = tag(c, sf, where, key, "a number", float, n, kindInteger, kindFloat)
	}
	if r.multipleOf != nil && *r.multipleOf <= 0 {
		c.failf(where, "tag multipleOf: must be greater than 0, found %v", *r.multipleOf)
	}
	c.ordered(where, "minLength", "maxLength", bound(r.minLength), bound(r.maxLength), false)
	c.ordered(where, "minItems", "maxItems", bound(r.minItems), bound(r.maxItems), false)
	c.ordered(where, "minimum", "maximum", r.minimum, r.maximum, false)
	c.ordered(where, "exclusiveMinimum", "maximum", r.above, r.maximum, true)
	c.ordered(where, "minimum", "exclusiveMaximum", r.minimum, r.below, true)
	c.ordered(where, "exclusiveMinimum", "exclusiveMaximum", r.above, r.below, true)
	if p := tag(c, sf, where, "pattern", "a regular expression", regexp.Compile, n, kindString); p != nil {
		r.pattern = *p
	}
	if e := tag(c, sf, where, "enum", "a list", list, n, kindString, kindInteger); e != nil {
		r.enum = *e
		for _, value := range r.enum {
			_, signed := strconv.ParseInt(value, 10, 64)
			_, unsigned := strconv.ParseUint(value, 10, 64)
			if n.kind == kindInteger && signed != nil && unsigned != nil {
				c.failf(where, "tag enum: must hold integers, found %q", value)
			}
		}
	}
	return !reflect.DeepEqual(*r, rules{})
}

// ordered fails for two bounds between which there is no value; strictly, if one
// of them is itself none.
func (c *compiler) ordered(where, low, high string, from, to *float64, strictly bool) {
	if from != nil && to != nil && (*from > *to || strictly && *from == *to) {
		c.failf(where, "tags %s and %s: nothing is between %v and %v", low, high, *from, *to)
	}
}

func bound(n *int) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

// tag parses one tag, which must suit the field's kind.
func tag[T any](c *compiler, sf reflect.StructField, where, key, want string, parse func(string) (T, error), n *node, kinds ...kind) *T {
	text, ok := sf.Tag.Lookup(key)
	if !ok {
		return nil
	}
	if !slices.Contains(kinds, n.kind) {
		c.failf(where, "tag %s:%q: does not apply to %s", key, text, sf.Type)
		return nil
	}
	value, err := parse(text)
	if err != nil {
		c.failf(where, "tag %s:%q: must be %s, found %q", key, text, want, text)
		return nil
	}
	return &value
}

func whole(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

func float(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func list(s string) ([]string, error) { return strings.Split(s, ","), nil }

// value reads a value out of a tag: the text itself for a string and what is
// written as one (a time), JSON for the rest. It must obey the field's own rules.
func (c *compiler) value(n *node, key, text, where string) any {
	body := []byte(text)
	if n.kind == kindString || n.format != "" && text != "null" && !strings.HasPrefix(text, `"`) {
		body = quote(text)
	}
	tree, err := parse(body, n)
	if err != nil {
		c.failf(where, "tag %s:%q: must be JSON, found %q: %v", key, text, text, err)
		return nil
	}
	normal, wrong := n.coerce(tree, nil, nil)
	for _, v := range wrong {
		c.failf(where, "tag %s:%q: %s", key, text, v.Msg)
	}
	return normal
}
