package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var (
	notFinite   = &fault{"finite_number", "Input should be a finite number"}
	hasFraction = &fault{"int_from_float", "Input should be a valid integer, got a number with a fractional part"}
)

// number converts a number, a boolean or a string to a JSON number that fits the Go
// type of n.
func (n *node) number(v any) (number, *fault) {
	switch {
	case n.rules.enum != nil:
		return n.choice(v)
	case n.kind == kindInteger:
		whole, f := n.whole(v)
		if f == nil {
			f = n.rules.number(quantity{whole: whole})
		}
		return number(whole.String()), f
	}
	return n.float(v)
}

// choice converts v to an integer of the enum.
func (n *node) choice(v any) (number, *fault) {
	if _, ok := v.(string); ok {
		return "", n.rules.choices("")
	}
	whole, f := n.whole(v)
	if digits, ok := v.(number); ok && f != nil && !isFloat(string(digits)) {
		return "", f // out of range
	}
	if text := whole.String(); f == nil && n.rules.enumHas([]byte(text)) {
		return number(text), n.rules.number(quantity{whole: whole})
	}
	return "", n.rules.choices("")
}

// whole converts v to an integer within the bounds of n's Go type.
func (n *node) whole(v any) (integer, *fault) {
	var digits string
	switch v := v.(type) {
	case bool:
		digits = digit(v)
	case string:
		var ok bool
		if digits, ok = wholeText(v); !ok {
			return integer{}, intParsing
		}
	case number:
		if digits = string(v); isFloat(digits) {
			return n.fromFloat(digits)
		}
	default:
		return integer{}, &fault{"int_type", "Input should be a valid integer"}
	}
	whole, err := parseInteger(digits)
	if err != nil {
		return integer{}, n.outOfRange()
	}
	return n.within(whole)
}

// isFloat reports whether a number has a fraction or an exponent.
func isFloat(number string) bool { return strings.ContainsAny(number, ".eE") }

// fromFloat converts a number with a fraction or an exponent to an integer. Up to 2^53
// it is read as a float64, as by pydantic, and above digit by digit, because a float64
// would change it.
func (n *node) fromFloat(text string) (integer, *fault) {
	value, _ := strconv.ParseFloat(text, 64)
	switch {
	case math.IsInf(value, 0):
		return integer{}, notFinite
	case value != math.Trunc(value):
		return integer{}, hasFraction
	case math.Abs(value) < 1<<53:
		return n.within(signed(int64(value)))
	case math.Abs(value) > 1<<64:
		return integer{}, n.outOfRange()
	}
	before, after := aroundPoint(text)
	whole, err := parseInteger(before)
	switch {
	case err != nil:
		return integer{}, n.outOfRange()
	case strings.Trim(after, "0") != "":
		return integer{}, hasFraction
	}
	return n.within(whole)
}

// mostDigits is one digit more than an integer has.
const mostDigits = 21

// aroundPoint returns the digits before and after the point of a JSON number as if it
// had no exponent: -015 and 25 for -1.525e1. It returns no more than mostDigits before
// the point, because the client chooses the exponent.
func aroundPoint(number string) (before, after string) {
	digits, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	before = "0"
	if strings.HasPrefix(digits, "-") {
		before, digits = "-0", digits[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	shift, _ := strconv.Atoi(exponent) // 0 if there is none
	all := strings.TrimLeft(whole+fraction, "0")
	point := min(max(0, len(all)-len(fraction)+shift), mostDigits)
	all += strings.Repeat("0", max(0, point-len(all)))
	return before + all[:point], all[point:]
}

func insideInt64(v float64) bool { return v > math.MinInt64 && v < math.MaxInt64 }

func (n *node) within(whole integer) (integer, *fault) {
	if whole.compare(n.low) < 0 || whole.compare(n.high) > 0 {
		return integer{}, n.outOfRange()
	}
	return whole, nil
}

func (n *node) outOfRange() *fault {
	return &fault{"int_parsing_size", fmt.Sprintf("Input should be an integer between %s and %s", n.low, n.high)}
}

var (
	intParsing   = &fault{"int_parsing", "Input should be a valid integer, unable to parse string as an integer"}
	floatType    = &fault{"float_type", "Input should be a valid number"}
	floatParsing = &fault{"float_parsing", "Input should be a valid number, unable to parse string as a number"}
)

func (n *node) float(v any) (number, *fault) {
	var text string
	switch v := v.(type) {
	case bool:
		text = digit(v)
	case string:
		var ok bool
		if text, ok = floatText(v); !ok {
			return "", floatParsing
		}
	case number:
		text = string(v)
	default:
		return "", floatType
	}
	value, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) { // a NaN with a sign
		value = math.NaN()
	}
	if f := n.rules.number(quantity{isFloat: true, float: value}); f != nil {
		return "", f
	}
	if narrow, err := strconv.ParseFloat(text, n.bits); err != nil || math.IsInf(narrow, 0) || math.IsNaN(narrow) {
		return "", notFinite
	}
	if _, ok := v.(string); ok { // JSON does not allow all forms that strings may have
		text = strconv.FormatFloat(value, 'g', -1, 64)
	}
	return number(text), nil
}

// pydantic accepts numbers of any length in strings, so the functions below must be
// fast: a regular expression takes up to a second for a megabyte.

// wholeText returns the integer in s without blanks, underscores between digits, and
// a fraction of zeros.
func wholeText(s string) (string, bool) {
	s, fraction, point := strings.Cut(strings.TrimSpace(s), ".")
	digits := unsigned(s)
	if digits == "" || strings.Trim(digits, "0123456789_") != "" || misplaced(digits) || point && (fraction == "" || strings.Trim(fraction, "0") != "") {
		return "", false
	}
	return strings.ReplaceAll(s, "_", ""), true
}

// floatText returns the number in s in a form that strconv parses. Like pydantic, it
// allows either blanks around the number or underscores in it.
func floatText(s string) (string, bool) {
	if trimmed := strings.TrimSpace(s); isFloatText(trimmed) {
		return trimmed, true
	}
	if misplaced(s) {
		return "", false
	}
	s = strings.ReplaceAll(s, "_", "")
	return s, isFloatText(s)
}

func isFloatText(s string) bool {
	if strings.ContainsAny(s, "xX_") { // only Go has hexadecimal floats
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return !errors.Is(err, strconv.ErrSyntax) || strings.EqualFold(unsigned(s), "nan")
}

// unsigned returns s without its sign.
func unsigned(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

// misplaced reports whether an underscore is not between two other characters.
func misplaced(s string) bool {
	return strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__")
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// boolean is pydantic's table of true and false.
func boolean(v any) (bool, *fault) {
	unknown := &fault{"bool_parsing", "Input should be a valid boolean, unable to interpret input"}
	wrong := &fault{"bool_type", "Input should be a valid boolean"}
	switch v := v.(type) {
	case bool:
		return v, nil
	case number:
		value, _ := strconv.ParseFloat(string(v), 64)
		switch _, err := strconv.ParseInt(string(v), 10, 64); {
		case value == 0 || value == 1:
			return value == 1, nil
		case err == nil, isFloat(string(v)) && value == math.Trunc(value) && insideInt64(value):
			return false, unknown
		}
		return false, wrong
	case string:
		switch strings.ToLower(v) {
		case "1", "on", "t", "true", "y", "yes":
			return true, nil
		case "0", "off", "f", "false", "n", "no":
			return false, nil
		}
		return false, unknown
	}
	return false, wrong
}
