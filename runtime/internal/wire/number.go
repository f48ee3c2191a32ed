package wire

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

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
	if text = significant(text); len(text) > mostDigits { // big.Rat takes time by the square of the digits
		if strings.Contains(text, ".") {
			return "", "int_from_float", "Input should be a valid integer, got a number with a fractional part"
		}
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

// mostDigits is far more than the largest integer has, with its exponent.
const mostDigits = 100

// significant is a number without the zeros that say nothing.
func significant(text string) string {
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i:]
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	}
	sign := ""
	if mantissa != "" && strings.ContainsAny(mantissa[:1], "+-") {
		sign, mantissa = mantissa[:1], mantissa[1:]
	}
	if mantissa = strings.TrimLeft(mantissa, "0"); mantissa == "" || mantissa[0] == '.' {
		mantissa = "0" + mantissa
	}
	return sign + mantissa + exponent
}

func (n *node) range_() string {
	return fmt.Sprintf("Input should be an integer between %d and %d", n.low, n.high)
}
