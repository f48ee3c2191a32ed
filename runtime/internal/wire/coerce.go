package wire

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// normalise is the long way: body as JSON that n accepts, or all that is wrong
// with it.
func (n *node) normalise(body []byte) ([]byte, *Invalid) {
	tree, err := parse(body, n)
	if err != nil {
		return nil, &Invalid{[]Violation{syntaxViolation(body, err)}}
	}
	if n.kind == kindObject || n.kind == kindDict {
		if _, ok := tree.(*object); !ok {
			return nil, &Invalid{[]Violation{{"model_type", []any{}, "Input should be an object"}}}
		}
	}
	normal, wrong := n.coerce(tree, []any{}, nil)
	if len(wrong) > 0 {
		return nil, &Invalid{wrong}
	}
	return render(nil, normal), nil
}

// coerce converts v as pydantic does in its lax mode, fills in defaults, and
// adds what is wrong to wrong.
func (n *node) coerce(v any, loc []any, wrong []Violation) (any, []Violation) {
	if v == nil && n.nullable || n.kind == kindAny {
		return v, wrong
	}
	refuse := func(kind, msg string) (any, []Violation) {
		return nil, append(wrong, Violation{kind, slices.Clone(loc), msg})
	}
	switch n.kind {
	case kindObject:
		if from, ok := v.(*object); ok {
			return n.coerceObject(from, loc, wrong)
		}
		return refuse("model_type", "Input should be an object")
	case kindDict:
		from, ok := v.(*object)
		if !ok {
			return refuse("dict_type", "Input should be an object")
		}
		for i := range from.values {
			from.values[i], wrong = n.elem.coerce(from.values[i], append(loc, from.names[i]), wrong)
		}
		return from, wrong
	case kindList:
		from, ok := v.([]any)
		if !ok {
			return refuse("list_type", "Input should be a valid array")
		}
		if kind, msg := n.rules.countBroken(len(from)); kind != "" {
			return refuse(kind, msg)
		}
		for i := range from {
			from[i], wrong = n.elem.coerce(from[i], append(loc, i), wrong)
		}
		return from, wrong
	case kindString:
		text, ok := v.(string)
		if !ok && n.rules.enum != nil {
			return refuse("literal_error", "Input should be "+n.rules.choices(true))
		}
		if !ok {
			return refuse("string_type", "Input should be a valid string")
		}
		if kind, msg := n.rules.textBroken(text); kind != "" {
			return refuse(kind, msg)
		}
		return text, wrong
	case kindBool:
		if b, ok := boolean(v); ok {
			return b, wrong
		}
		switch v.(type) {
		case string, number:
			return refuse("bool_parsing", "Input should be a valid boolean, unable to interpret input")
		}
		return refuse("bool_type", "Input should be a valid boolean")
	}
	num, kind, msg := n.number(v)
	if kind != "" {
		return refuse(kind, msg)
	}
	return num, wrong
}

func (n *node) coerceObject(from *object, loc []any, wrong []Violation) (any, []Violation) {
	to := &object{}
	for _, f := range n.fields {
		v, ok := from.get(f.name)
		switch {
		case ok:
			v, wrong = f.node.coerce(v, append(loc, f.name), wrong)
		case f.required:
			wrong = append(wrong, Violation{"missing", append(slices.Clone(loc), f.name), "Field required"})
			continue
		case f.fallback != nil:
			v = f.fallback
		default:
			continue
		}
		to.set(f.name, v)
	}
	return to, wrong
}

// number converts to the canonical text of an integer or a float.
func (n *node) number(v any) (num number, kind, msg string) {
	integer := n.kind == kindInteger
	var text string
	switch v := v.(type) {
	case number:
		text = string(v)
	case bool:
		text = "0"
		if v {
			text = "1"
		}
	case string:
		text = strings.TrimSpace(v)
		if _, err := strconv.ParseFloat(text, 64); err != nil || !plainNumber(text) {
			if integer {
				return "", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
			}
			return "", "float_parsing", "Input should be a valid number, unable to parse string as a number"
		}
	default:
		if integer {
			return "", "int_type", "Input should be a valid integer"
		}
		return "", "float_type", "Input should be a valid number"
	}
	if integer {
		if text, kind, msg = n.integer(text); kind != "" {
			return "", kind, msg
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", "finite_number", "Input should be a finite number"
	}
	if n.rules.enum != nil && !n.rules.enumHas([]byte(text)) {
		return "", "literal_error", "Input should be " + n.rules.choices(false)
	}
	if broken := n.rules.broken(value); broken != "" {
		kind, msg, _ = strings.Cut(broken, ": ")
		return "", kind, msg
	}
	if !integer {
		text = canonical(text, value)
	}
	return number(text), "", ""
}

// plainNumber keeps out what Go parses and JSON does not have.
func plainNumber(s string) bool { return s != "" && !strings.ContainsAny(s, "xXpP_iInN") }

// canonical is text where JSON has it so, else the value printed anew ("+1").
func canonical(text string, value float64) string {
	if text[0] == '+' || text[0] == '.' || strings.HasSuffix(text, ".") || strings.HasPrefix(text, "0") && len(text) > 1 {
		return strconv.FormatFloat(value, 'g', -1, 64)
	}
	return text
}

// integer keeps whole numbers however they are written (3.0), within the bounds
// of the Go type.
func (n *node) integer(text string) (whole, kind, msg string) {
	exponent := strings.IndexAny(text, "eE")
	if exponent >= 0 && len(text)-exponent > 4 {
		return "", "int_parsing_size", n.range_()
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
	}
	if !value.IsInt() {
		return "", "int_from_float", "Input should be a valid integer, got a number with a fractional part"
	}
	i := value.Num()
	if i.Cmp(big.NewInt(n.low)) < 0 || i.Cmp(new(big.Int).SetUint64(n.high)) > 0 {
		return "", "int_parsing_size", n.range_()
	}
	return i.String(), "", ""
}

func (n *node) range_() string {
	return fmt.Sprintf("Input should be an integer between %d and %d", n.low, n.high)
}

// boolean is pydantic's table of what is true and false.
func boolean(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f == 1, err == nil && (f == 0 || f == 1)
	case string:
		switch strings.ToLower(v) {
		case "1", "on", "t", "true", "y", "yes":
			return true, true
		case "0", "off", "f", "false", "n", "no":
			return false, true
		}
	}
	return false, false
}

// broken names the rule that value breaks, and says what would be right.
func (r *rules) broken(value float64) string {
	switch {
	case r.minimum != nil && value < *r.minimum:
		return "greater_than_equal: Input should be greater than or equal to " + plain(*r.minimum)
	case r.above != nil && value <= *r.above:
		return "greater_than: Input should be greater than " + plain(*r.above)
	case r.maximum != nil && value > *r.maximum:
		return "less_than_equal: Input should be less than or equal to " + plain(*r.maximum)
	case r.below != nil && value >= *r.below:
		return "less_than: Input should be less than " + plain(*r.below)
	case r.multipleOf != nil && !multiple(value, *r.multipleOf):
		return "multiple_of: Input should be a multiple of " + plain(*r.multipleOf)
	}
	return ""
}

// multiple allows for what decimals lose in binary: 0.3 is a multiple of 0.1.
func multiple(value, of float64) bool {
	quotient := value / of
	return math.Abs(quotient-math.Round(quotient)) <= 1e-9*math.Max(1, math.Abs(quotient))
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (r *rules) countBroken(n int) (kind, msg string) {
	switch {
	case r.minItems != nil && n < *r.minItems:
		return "too_short", fmt.Sprintf("List should have at least %s after validation, not %d", count(*r.minItems, "item"), n)
	case r.maxItems != nil && n > *r.maxItems:
		return "too_long", fmt.Sprintf("List should have at most %s after validation, not %d", count(*r.maxItems, "item"), n)
	}
	return "", ""
}

func (r *rules) textBroken(text string) (kind, msg string) {
	length := utf8.RuneCountInString(text)
	switch {
	case r.minLength != nil && length < *r.minLength:
		return "string_too_short", "String should have at least " + count(*r.minLength, "character")
	case r.maxLength != nil && length > *r.maxLength:
		return "string_too_long", "String should have at most " + count(*r.maxLength, "character")
	case r.pattern != nil && !r.pattern.MatchString(text):
		return "string_pattern_mismatch", "String should match pattern '" + r.pattern.String() + "'"
	case !r.enumHas([]byte(text)):
		return "literal_error", "Input should be " + r.choices(true)
	}
	return "", ""
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// choices lists an enum: 'a', 'b' or 'c'.
func (r *rules) choices(quoted bool) string {
	all := slices.Clone(r.enum)
	if quoted {
		for i := range all {
			all[i] = "'" + all[i] + "'"
		}
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}
