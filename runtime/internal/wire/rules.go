package wire

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rules has the constraints of struct tags.
type rules struct {
	minLength, maxLength *int
	minItems, maxItems   *int
	minimum, maximum     *quantity
	above, below         *quantity // exclusiveMinimum, exclusiveMaximum
	multipleOf           *quantity
	pattern              *pattern
	enum                 []string
}

// quantity is a number in a value or a rule. Integers are compared as integers,
// because a float64 cannot hold all digits of an int64.
type quantity struct {
	isFloat bool
	whole   integer
	float   float64
}

func (q quantity) less(than quantity) bool {
	if q.isFloat {
		return q.float < than.float
	}
	return q.whole.compare(than.whole) < 0
}

func (q quantity) atMost(limit quantity) bool {
	if q.isFloat {
		return q.float <= limit.float
	}
	return q.whole.compare(limit.whole) <= 0
}

// multiple allows a float to differ by 1e-9 from a multiple, as pydantic 2.14
// does: 0.3 is a multiple of 0.1.
func (q quantity) multiple(of quantity) bool {
	if q.isFloat {
		return !(math.Abs(math.Round(q.float/of.float)*of.float-q.float) > 1e-9) // also true for infinities
	}
	return q.whole.magnitude%of.whole.magnitude == 0
}

func (q quantity) String() string {
	if q.isFloat {
		return strconv.FormatFloat(q.float, 'f', -1, 64)
	}
	return q.whole.String()
}

func (r *rules) limitNumbers() bool {
	return r.minimum != nil || r.maximum != nil || r.above != nil || r.below != nil || r.multipleOf != nil
}

// number returns the first rule that q breaks, in pydantic's order. NaN breaks
// every bound.
func (r *rules) number(q quantity) *fault {
	switch {
	case r.multipleOf != nil && !q.multiple(*r.multipleOf):
		return &fault{"multiple_of", "Input should be a multiple of " + r.multipleOf.String()}
	case r.maximum != nil && !q.atMost(*r.maximum):
		return &fault{"less_than_equal", "Input should be less than or equal to " + r.maximum.String()}
	case r.below != nil && !q.less(*r.below):
		return &fault{"less_than", "Input should be less than " + r.below.String()}
	case r.minimum != nil && !r.minimum.atMost(q):
		return &fault{"greater_than_equal", "Input should be greater than or equal to " + r.minimum.String()}
	case r.above != nil && !r.above.less(q):
		return &fault{"greater_than", "Input should be greater than " + r.above.String()}
	}
	return nil
}

func (r *rules) tooLong(items int) *fault {
	if r.maxItems == nil || items <= *r.maxItems {
		return nil
	}
	return &fault{"too_long", fmt.Sprintf("List should have at most %s after validation, not %d", count(*r.maxItems, "item"), items)}
}

func (r *rules) tooShort(items int) *fault {
	if r.minItems == nil || items >= *r.minItems {
		return nil
	}
	return &fault{"too_short", fmt.Sprintf("List should have at least %s after validation, not %d", count(*r.minItems, "item"), items)}
}

func (r *rules) string(s string) *fault {
	length := utf8.RuneCountInString(s)
	switch {
	case r.minLength != nil && length < *r.minLength:
		return &fault{"string_too_short", "String should have at least " + count(*r.minLength, "character")}
	case r.maxLength != nil && length > *r.maxLength:
		return &fault{"string_too_long", "String should have at most " + count(*r.maxLength, "character")}
	case r.pattern != nil && !r.pattern.MatchString(s):
		return &fault{"string_pattern_mismatch", "String should match pattern '" + r.pattern.String() + "'"}
	case !r.enumHas([]byte(s)):
		return r.choices("'")
	}
	return nil
}

func (r *rules) enumHas(content []byte) bool {
	return r.enum == nil || slices.ContainsFunc(r.enum, func(choice string) bool { return choice == string(content) })
}

// choices returns the error for a value that is not in the enum.
func (r *rules) choices(quote string) *fault {
	all := make([]string, len(r.enum))
	for i, choice := range r.enum {
		all[i] = quote + choice + quote
	}
	last := len(all) - 1
	msg := strings.Join(all[:last], ", ")
	if last > 0 {
		msg += " or "
	}
	return &fault{"literal_error", "Input should be " + msg + all[last]}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
