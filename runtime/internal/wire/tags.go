package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tags returns n with the constraints of the field's tags, or n itself if the
// field has none.
func (c *compiler) tags(n *node, sf reflect.StructField, where string) *node {
	t := tagReader{c, n, sf, where}
	own := n.rules
	read(t, "minLength", &own.minLength, whole, kindString)
	read(t, "maxLength", &own.maxLength, whole, kindString)
	read(t, "minItems", &own.minItems, t.items, kindList)
	read(t, "maxItems", &own.maxItems, t.items, kindList)
	read(t, "minimum", &own.minimum, t.limit, kindInteger, kindFloat)
	read(t, "maximum", &own.maximum, t.limit, kindInteger, kindFloat)
	read(t, "exclusiveMinimum", &own.above, t.limit, kindInteger, kindFloat)
	read(t, "exclusiveMaximum", &own.below, t.limit, kindInteger, kindFloat)
	read(t, "multipleOf", &own.multipleOf, t.positive, kindInteger, kindFloat)
	var p *pattern
	if read(t, "pattern", &p, func(s string) (pattern, error) {
		p, err := parsePattern(s)
		if err != nil {
			return pattern{}, err
		}
		return *p, nil
	}, kindString); p != nil {
		own.pattern = p
	}
	var choices *[]string
	if read(t, "enum", &choices, t.choices, kindString, kindInteger); choices != nil {
		own.enum = *choices
	}
	if reflect.DeepEqual(own, n.rules) {
		return t.contentType()
	}
	constrained := *t.contentType()
	constrained.rules = own
	if t.satisfiable(&own) {
		t.possible(&constrained)
	}
	return &constrained
}

// tagReader reads the tags of one field.
type tagReader struct {
	c     *compiler
	node  *node
	field reflect.StructField
	where string
}

// read parses one tag into to. kinds lists the kinds that may have the tag.
func read[T any](t tagReader, key string, to **T, parse func(string) (T, error), kinds ...kind) {
	text, ok := t.field.Tag.Lookup(key)
	if !ok {
		return
	}
	if !slices.Contains(kinds, t.node.kind) {
		what := typeName(t.field.Type)
		if t.node.quoted != nil {
			what += " in a string"
		}
		t.c.failf(t.where, "tag %s:%q: does not apply to %s", key, text, what)
		return
	}
	value, err := parse(text)
	if err != nil {
		t.c.failf(t.where, "tag %s:%q: %w", key, text, err)
		return
	}
	*to = &value
}

func whole(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("must be a whole number from 0 to %d, found %q", math.MaxInt32, s)
	}
	return int(n), nil
}

func (t tagReader) items(s string) (int, error) {
	if t.node.length > 0 {
		return 0, errors.New("does not apply to an array, whose type gives the number of its items")
	}
	return whole(s)
}

// limit parses a number of the field's type. A bound beyond its range would have no
// effect, or exclude all values.
func (t tagReader) limit(s string) (quantity, error) {
	if t.node.kind == kindInteger {
		i, err := parseInteger(s)
		if errors.Is(err, strconv.ErrSyntax) {
			return quantity{}, fmt.Errorf("must be an integer, found %q", s)
		}
		if _, f := t.node.within(i); err != nil || f != nil {
			return quantity{}, fmt.Errorf("must be between %s and %s, the bounds of its type, found %q", t.node.low, t.node.high, s)
		}
		return quantity{whole: i}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrSyntax) || math.IsNaN(f) || math.IsInf(f, 0) && err == nil {
		return quantity{}, fmt.Errorf("must be a number, found %q", s)
	}
	if _, outside := strconv.ParseFloat(s, t.node.bits); outside != nil {
		most := math.MaxFloat64
		if t.node.bits == 32 {
			most = math.MaxFloat32
		}
		return quantity{}, fmt.Errorf("must be between %g and %g, the bounds of its type, found %q", -most, most, s)
	}
	return quantity{isFloat: true, float: f}, nil
}

func (t tagReader) positive(s string) (quantity, error) {
	q, err := t.limit(s)
	if err == nil && q.atMost(quantity{isFloat: q.isFloat}) {
		err = fmt.Errorf("must be greater than 0, found %q", s)
	}
	return q, err
}

func (t tagReader) choices(s string) ([]string, error) {
	all := strings.Split(s, ",")
	for i, text := range all {
		if strings.TrimSpace(text) != text {
			return nil, fmt.Errorf("must have no spaces around a value, found %q", text)
		}
		if slices.Contains(all[:i], text) {
			return nil, fmt.Errorf("must have each value once, found %q again", text)
		}
		if t.node.kind == kindString {
			continue
		}
		v, err := parseInteger(text)
		if err != nil {
			return nil, fmt.Errorf("must hold integers, found %q", text)
		}
		if _, f := t.node.within(v); f != nil {
			return nil, fmt.Errorf("must hold integers between %s and %s, found %q", t.node.low, t.node.high, text)
		}
		all[i] = v.String()
	}
	return all, nil
}

// satisfiable adds an error if no value is between two bounds, and reports whether it
// added none.
func (t tagReader) satisfiable(r *rules) bool {
	before := len(t.c.errs)
	type bound struct {
		name      string
		value     *quantity
		exclusive bool
	}
	check := func(low, high bound) {
		if low.value == nil || high.value == nil {
			return
		}
		if !low.value.atMost(*high.value) || (low.exclusive || high.exclusive) && !low.value.less(*high.value) {
			t.c.failf(t.where, "%s and %s: nothing is between %s and %s", low.name, high.name, low.value, high.value)
		}
	}
	length := func(n *int) *quantity {
		if n == nil {
			return nil
		}
		return &quantity{whole: signed(int64(*n))}
	}
	check(bound{"tags minLength", length(r.minLength), false}, bound{"maxLength", length(r.maxLength), false})
	check(bound{"tags minItems", length(r.minItems), false}, bound{"maxItems", length(r.maxItems), false})
	lows := []bound{{"tags minimum", r.minimum, false}, {"tags exclusiveMinimum", r.above, true}}
	highs := []bound{{"maximum", r.maximum, false}, {"exclusiveMaximum", r.below, true}}
	if t.node.kind == kindInteger {
		lows = append(lows, bound{"type " + typeName(t.field.Type), &quantity{whole: t.node.low}, false})
		highs = append(highs, bound{"type " + typeName(t.field.Type), &quantity{whole: t.node.high}, false})
	}
	for _, low := range lows {
		for _, high := range highs {
			check(low, high)
		}
	}
	return len(t.c.errs) == before
}

// possible adds an error if no number obeys all rules of n, or no value of its enum.
func (t tagReader) possible(n *node) {
	switch r := n.rules; {
	case r.enum != nil:
		var why *fault
		for _, choice := range r.enum {
			v := any(choice)
			if n.kind == kindInteger {
				v = number(choice)
			}
			if _, why = n.scalar(v); why == nil {
				return
			}
		}
		t.c.failf(t.where, "tag enum:%q: the other tags allow none of its values: %s", t.field.Tag.Get("enum"), why.msg)
	case n.kind == kindInteger && r.limitNumbers():
		if _, ok := n.firstAccepted(n.integers()); !ok {
			t.c.failf(t.where, "tags %s: no integer obeys all of them", t.numberTags())
		}
	case n.kind == kindFloat && !r.someFloat():
		t.c.failf(t.where, "tags %s: no number obeys all of them", t.numberTags())
	}
}

// numberTags lists the tags of the field that limit numbers.
func (t tagReader) numberTags() string {
	var tags []string
	for _, key := range []string{"multipleOf", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		if text, ok := t.field.Tag.Lookup(key); ok {
			tags = append(tags, fmt.Sprintf("%s:%q", key, text))
		}
	}
	return strings.Join(tags, " ")
}

// someFloat reports whether some number obeys the rules. Beyond 2^53 multiples, where
// rounding decides, it does not look.
func (r *rules) someFloat() bool {
	low, high := -math.MaxFloat64, math.MaxFloat64
	if r.minimum != nil {
		low = r.minimum.float
	}
	if r.above != nil {
		low = max(low, math.Nextafter(r.above.float, math.Inf(1)))
	}
	if r.maximum != nil {
		high = r.maximum.float
	}
	if r.below != nil {
		high = min(high, math.Nextafter(r.below.float, math.Inf(-1)))
	}
	if r.multipleOf == nil {
		return low <= high
	}
	of := r.multipleOf.float
	candidates := []float64{low, high, math.Ceil(low/of) * of, math.Floor(high/of) * of}
	return min(math.Abs(low/of), math.Abs(high/of)) > 1<<53 || slices.ContainsFunc(candidates, func(v float64) bool {
		return r.number(quantity{isFloat: true, float: v}) == nil
	})
}

// value parses the value of a tag. For a string, and for a type that is a string in
// JSON (a time), the tag is the value itself; for others it is JSON. The value must
// obey the field's rules.
func (c *compiler) value(n *node, t reflect.Type, key, text, where string) any {
	body := []byte(text)
	if n.kind == kindString || n.format != "" && text != "null" && !strings.HasPrefix(text, `"`) {
		body = quote(text)
	}
	tree, err := parse(context.Background(), body, n)
	if t == reflect.TypeFor[time.Duration]() && err != nil {
		c.failf(where, "tag %s:%q: must be a whole number of nanoseconds, such as 5000000000 for 5 s", key, text)
		return nil
	}
	if err != nil {
		c.failf(where, "tag %s:%q: must be JSON, found %q: %w", key, text, text, err)
		return nil
	}
	wrong := violations{attached: &attached{}}
	normal := n.coerce(tree, nil, &wrong)
	for _, v := range wrong.list {
		c.failf(where, "tag %s:%q: %s", key, text, n.explain(where[strings.LastIndexByte(where, '.')+1:], v))
	}
	return normal
}

// explain returns the message of v, which is below the field named name, with the
// place in Go's names.
func (n *node) explain(name string, v Violation) string {
	for _, step := range v.Loc {
		member, _ := step.(string)
		switch f := n.byName[member]; {
		case f != nil:
			name, n = name+"."+f.goName, f.node
		case n.kind == kindDict || n.kind == kindList:
			name, n = fmt.Sprintf("%s[%v]", name, step), n.elem
		default: // inside a type that decodes its JSON itself
			name = fmt.Sprintf("%s[%v]", name, step)
		}
	}
	switch {
	case len(v.Loc) == 0:
		return v.Msg
	case v.Type == "missing":
		return fmt.Sprintf("%s is required: write %q in the tag, or give %s a default", name, v.Loc[len(v.Loc)-1], name)
	}
	return name + ": " + v.Msg
}
