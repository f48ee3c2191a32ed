package wire

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
)

// quoted returns the node of a field of type t whose json tag has the option string:
// its number n is a string in JSON. For other types, json refuses the option at each
// request.
func (c *compiler) quoted(n *node, t reflect.Type, where string) *node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := &node{kind: kindAny, format: "text", own: t, quoted: n, nullable: n.nullable}
	switch n.kind {
	case kindInteger:
		text.published = integerPattern(n)
	case kindFloat:
		text.published = `^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$`
	default:
		c.failf(where, "tag json: option string is for numbers, found %s", typeName(t))
		return n
	}
	return text
}

// quotedFault returns why the JSON text is not a number in a string.
func (n *node) quotedFault(text raw) *fault {
	var number string
	if text[0] != '"' || json.Unmarshal(text, &number) != nil {
		return notString
	}
	switch _, f := n.quoted.number(number); {
	case f != nil:
		return f
	case n.quoted.kind == kindInteger: // such as "1_0", which only JSON refuses
		return intParsing
	}
	return floatParsing
}

// integerPattern returns a pattern for the integers of n's type, without a plus sign
// and leading zeros. It is for keys of a map, and for numbers in strings.
func integerPattern(n *node) string {
	all := append([]string{"0"}, upTo(n.high)...)
	if n.low.negative {
		all = append(all, "-(?:"+strings.Join(upTo(n.low), "|")+")")
	}
	return "^(?:" + strings.Join(all, "|") + ")$"
}

// upTo returns patterns for the numbers from 1 to the absolute value of limit: one for
// those with fewer digits, and for each digit of limit, one for those that are equal
// before this digit and smaller in it.
func upTo(limit integer) []string {
	digits := integer{magnitude: limit.magnitude}.String()
	all := []string{digits}
	if len(digits) > 1 {
		all = append(all, fmt.Sprintf("[1-9][0-9]{0,%d}", len(digits)-2))
	}
	for i, digit := range digits {
		least := '0'
		if i == 0 {
			least = '1'
		}
		if digit > least {
			all = append(all, fmt.Sprintf("%s[%c-%c][0-9]{%d}", digits[:i], least, digit-1, len(digits)-1-i))
		}
	}
	return all
}
