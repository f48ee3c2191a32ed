package wire

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
