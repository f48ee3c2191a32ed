package wire

import (
	"math"
	"strconv"
	"strings"
)

// Bounds of an example: what asks for more has none, lest a rule such as
// minLength:"1000000" fills the OpenAPI document.
const (
	longestExample = 1000 // characters
	mostExamples   = 100  // items
)

// sample is a value for f, as a form is first filled with: the default, else
// the tag example, else what the rules allow. It is false where nobody can know
// one: for a pattern, or a type that decodes itself.
func (f *field) sample(open map[*node]bool) (any, bool) {
	switch {
	case f.fallback != nil:
		return f.fallback, true
	case f.example != nil:
		return f.example, true
	}
	return f.node.sample(open)
}

// sampleParameters gives the parameters in n's schema an example each.
func (n *node) sampleParameters(schema *object) {
	properties, ok := schema.get("properties")
	if !ok { // null may be the body, too
		return
	}
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

// sample is a value that n accepts. open are the structs that it is to be part
// of: a type that needs itself has none.
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
	case kindString:
		return n.firstAccepted(n.texts())
	}
	return n.firstAccepted(n.numbers())
}

// sampleAny knows the formats that are the same in every program.
func (n *node) sampleAny() (any, bool) {
	switch n.format {
	case "date-time":
		return "2006-01-02T15:04:05Z", true
	case "binary":
		return strings.Repeat("AAAA", n.length/3) + [...]string{"", "AA==", "AAA="}[n.length%3], n.length <= longestExample
	}
	return nil, false
}

// sampleObject has what is required, and what somebody gave an example of;
// defaults come by themselves.
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

// sampleDict has one key, or none where a type of its own decodes keys.
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
	kind, _ := n.rules.countBroken(len(items))
	return items, kind == "" && len(items) >= n.length
}

// firstAccepted is the first of candidates that breaks no rule.
func (n *node) firstAccepted(candidates []any) (any, bool) {
	for _, v := range candidates {
		if normal, kind, _ := n.scalar(v); kind == "" {
			return normal, true
		}
	}
	return nil, false
}

// texts are candidates: the choices, else a text of a length that is allowed.
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

// numbers are candidates: the choices, else what is plain, else the bounds, what
// lies just within them and between them; or the first multiples within them;
// and the ends of the type.
func (n *node) numbers() []any {
	var candidates []any
	for _, choice := range n.rules.enum {
		candidates = append(candidates, number(choice))
	}
	low, high := n.bounds()
	values := []float64{1.5, 1, 0, low, math.Ceil(low), math.Floor(low) + 1, high, math.Floor(high), math.Ceil(high) - 1, low/2 + high/2}
	if of := n.rules.multipleOf; of != nil {
		values = []float64{*of}
		first := math.Ceil(low / *of)
		for k := range 100 {
			values = append(values, (first+float64(k))**of)
		}
	}
	for _, digits := range []int{12, -1} { // 0.7, and 0.7000000000000001 only if that must be
		for _, v := range values {
			if n.kind == kindInteger && v != math.Trunc(v) || math.IsInf(v, 0) {
				continue
			}
			candidates = append(candidates, number(strconv.FormatFloat(v, 'g', digits, 64)))
		}
	}
	if n.kind == kindInteger { // rules this far out lie beyond them once they are floats
		candidates = append(candidates, number(strconv.FormatInt(n.low, 10)), number(strconv.FormatUint(n.high, 10)))
	}
	return candidates
}

// bounds are those of the rules, the tightest of them; where one is missing,
// the other one's neighbourhood.
func (n *node) bounds() (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	for _, v := range []*float64{n.rules.minimum, n.rules.above} {
		if v != nil {
			low = max(low, *v)
		}
	}
	for _, v := range []*float64{n.rules.maximum, n.rules.below} {
		if v != nil {
			high = min(high, *v)
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
