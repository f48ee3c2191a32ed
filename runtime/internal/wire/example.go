package wire

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Bounds of an example. A value that must be larger gets no example, so that a rule
// such as minLength:"1000000" does not make the OpenAPI document huge.
const (
	longestExample = 1000 // characters
	mostExamples   = 100  // items
)

// sample returns the value of f that a form shows first: the default, else the tag
// example, else a value that the rules allow. It returns false if there is none, as
// for a pattern and for a type that decodes its JSON itself.
func (f *field) sample(open map[*node]bool) (any, bool) {
	switch {
	case f.fallback != nil:
		return f.fallback, true
	case f.example != nil:
		return f.example, true
	}
	return f.node.sample(open)
}

// sampleParameters adds an example to each parameter in n's schema.
func (n *node) sampleParameters(schema *object) {
	properties, _ := schema.get("properties")
	for _, f := range n.fields {
		if f.fallback != nil || f.example != nil {
			continue
		}
		p, _ := properties.(*object).get(f.name)
		if v, ok := f.node.sample(map[*node]bool{n: true}); ok {
			p.(*object).set("example", v)
		}
	}
}

// sample returns a value that n accepts. open has the structs around it: a type that
// requires itself has no sample.
func (n *node) sample(open map[*node]bool) (any, bool) {
	switch n.kind {
	case kindAny:
		return n.sampleAny()
	case kindObject:
		return n.sampleObject(open)
	case kindDict:
		return n.sampleDict(open), true
	case kindList:
		return n.sampleList(open)
	case kindBool:
		return true, true
	case kindFile:
		return nil, false
	case kindString:
		return n.firstAccepted(n.texts())
	}
	return n.firstAccepted(n.numbers())
}

// sampleAny returns samples of times and bytes only.
func (n *node) sampleAny() (any, bool) {
	switch n.format {
	case "date-time":
		return "2006-01-02T15:04:05Z", true
	case "base64":
		return strings.Repeat("AAAA", n.length/3) + [...]string{"", "AA==", "AAA="}[n.length%3], n.length <= longestExample
	}
	return nil, false
}

// sampleObject returns an object with the required fields and those with an example.
func (n *node) sampleObject(open map[*node]bool) (any, bool) {
	if open[n] {
		return nil, false
	}
	open[n] = true
	defer delete(open, n)
	o := &object{}
	for _, f := range n.fields {
		if !f.required && f.example == nil {
			continue
		}
		v, ok := f.sample(open)
		if !ok {
			return nil, false
		}
		o.set(f.name, v)
	}
	return o, true
}

// sampleDict returns a map with one key, or none if the key type decodes its JSON
// itself.
func (n *node) sampleDict(open map[*node]bool) *object {
	o := &object{}
	v, ok := n.elem.sample(open)
	switch {
	case ok && n.key != nil:
		if key, ok := n.key.sample(open); ok {
			o.set(string(key.(number)), v)
		}
	case ok && n.anyKey:
		o.set("key", v)
	}
	return o
}

func (n *node) sampleList(open map[*node]bool) (any, bool) {
	if n.elem.kind == kindFile {
		return nil, false
	}
	length := 1
	switch r := n.rules; {
	case n.length > 0:
		length = n.length
	case r.minItems != nil && *r.minItems > 1:
		length = *r.minItems
	case r.maxItems != nil && *r.maxItems == 0:
		length = 0
	}
	item, ok := n.elem.sample(open)
	if !ok && n.length == 0 {
		length = 0
	}
	items := []any{}
	for range min(length, mostExamples) {
		items = append(items, item)
	}
	return items, n.rules.tooShort(len(items)) == nil && n.rules.tooLong(len(items)) == nil
}

// firstAccepted returns the first of candidates that breaks no rule.
func (n *node) firstAccepted(candidates []any) (any, bool) {
	for _, v := range candidates {
		if normal, f := n.scalar(v); f == nil {
			return normal, true
		}
	}
	return nil, false
}

// texts returns candidates for strings: the choices, else a string of an allowed
// length.
func (n *node) texts() []any {
	var candidates []any
	for _, choice := range n.rules.enum {
		candidates = append(candidates, choice)
	}
	text := "text"
	if least := n.rules.minLength; least != nil {
		text += strings.Repeat(" text", max(0, min(*least, longestExample))/len(" text"))
	}
	if most := n.rules.maxLength; most != nil && *most < len(text) {
		text = text[:*most]
	}
	return append(candidates, text)
}

// numbers returns candidates for numbers: the choices, else simple numbers, the
// bounds and numbers beside and between them, or the first multiples after a bound.
func (n *node) numbers() []any {
	var candidates []any
	for _, choice := range n.rules.enum {
		candidates = append(candidates, number(choice))
	}
	if n.kind == kindInteger {
		return append(candidates, n.integers()...)
	}
	low, high := n.floatBounds()
	values := []float64{1.5, 1, 0, low, math.Ceil(low), math.Floor(low) + 1, high, math.Floor(high), math.Ceil(high) - 1, low/2 + high/2}
	if of := n.rules.multipleOf; of != nil {
		values = []float64{of.float}
		first := math.Ceil(low / of.float)
		for k := range 100 {
			values = append(values, (first+float64(k))*of.float)
		}
	}
	for _, digits := range []int{12, -1} { // try 0.7 before 0.7000000000000001
		for _, v := range values {
			if !math.IsInf(v, 0) {
				candidates = append(candidates, number(strconv.FormatFloat(v, 'g', digits, 64)))
			}
		}
	}
	return candidates
}

// integers returns candidates for integers: 1, 0, the bounds and the integers beside
// them, or the multiples nearest to these.
func (n *node) integers() []any {
	var candidates []any
	values := []*quantity{{whole: integer{magnitude: 1}}, {}, n.rules.minimum, n.rules.above, n.rules.maximum, n.rules.below, {whole: n.low}, {whole: n.high}}
	for _, v := range values {
		if v == nil {
			continue
		}
		near, step := new(big.Int), big.NewInt(1)
		near.SetString(v.whole.String(), 10)
		if of := n.rules.multipleOf; of != nil {
			step.SetUint64(of.whole.magnitude)
			near.Mul(near.Div(near, step), step)
		}
		for _, beside := range []int64{0, 1, -1} {
			i := new(big.Int).Mul(big.NewInt(beside), step)
			candidates = append(candidates, number(i.Add(i, near).String()))
		}
	}
	return candidates
}

// floatBounds returns the tightest bounds of the rules. A missing bound is a number
// near the other one.
func (n *node) floatBounds() (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	for _, v := range []*quantity{n.rules.minimum, n.rules.above} {
		if v != nil {
			low = max(low, v.float)
		}
	}
	for _, v := range []*quantity{n.rules.maximum, n.rules.below} {
		if v != nil {
			high = min(high, v.float)
		}
	}
	switch {
	case math.IsInf(low, -1) && math.IsInf(high, 1):
		return 0, 2
	case math.IsInf(low, -1):
		return high - 2, high
	case math.IsInf(high, 1):
		return low, low + 2
	}
	return low, high
}
