package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// value converts a node to the Go value that koanf holds for the key. The error
// says what would be right and what was found.
func (k *key) value(n *tree.Node) (any, error) {
	switch k.kind {
	case whole, number, size, duration, milliseconds, numbers:
		for _, one := range append([]*tree.Node{n}, n.Items...) {
			if one.Old {
				return nil, wrong("a decimal number without zeros before it or underscores in it", one)
			}
		}
	}
	switch k.kind {
	case text:
		return k.textValue(n)
	case boolean:
		if v, ok := n.Value.(bool); ok {
			return v, nil
		}
		return nil, wrong("true or false", n)
	case whole:
		return k.wholeValue(n)
	case number:
		if f, ok := float(n); ok {
			return f, nil
		}
		return nil, wrong("a number", n)
	case size:
		return sizeValue(n)
	case duration, milliseconds:
		return k.durationValue(n)
	case numbers:
		return numbersValue(n)
	case texts:
		return k.textsValue(n)
	case secret:
		if n.Kind == tree.Scalar {
			return n.Text, nil
		}
		return nil, fmt.Errorf("must be a string")
	}
	if s, ok := n.Value.(string); ok {
		return s, nil
	}
	return nil, fmt.Errorf("must be a URL in quotes")
}

// wrong returns the error for a value of another kind.
func wrong(want string, n *tree.Node) error {
	return fmt.Errorf("must be %s, found %s", want, n.Describe())
}

// textValue refuses 1.10 for a version: YAML would read it as the number 1.1, so the quotes
// must be in the file.
func (k *key) textValue(n *tree.Node) (any, error) {
	if s, ok := n.Value.(string); ok {
		return s, k.parses(s)
	}
	if n.Kind == tree.Scalar {
		return nil, fmt.Errorf("must be a string, found %s; put it in quotes: %q", n.Describe(), n.Text)
	}
	return nil, wrong("a string", n)
}

// parses returns an error if s is not a value of the key's field.
func (k *key) parses(s string) error {
	typ := k.typ
	if k.kind == texts {
		typ = typ.Elem()
	}
	into, ok := reflect.New(typ).Interface().(encoding.TextUnmarshaler)
	if !ok {
		return nil
	}
	if len(k.oneof) > 0 && !slices.Contains(k.oneof, s) {
		return errors.New(k.notOneOf(strconv.Quote(s)))
	}
	return into.UnmarshalText([]byte(s))
}

// wholeValue accepts 3.0, and the name that stands for a number, such as cpu_count. Beyond
// 2^53 a float64 would change the number.
func (k *key) wholeValue(n *tree.Node) (any, error) {
	if k.also != "" && n.Value == k.also {
		return goruntime.GOMAXPROCS(0), nil // cpu_count is the only such string
	}
	want := "a whole number"
	if k.also != "" {
		want += " or " + k.also
	}
	f, ok := float(n)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return nil, wrong(want, n)
	}
	if i, ok := n.Value.(int64); ok {
		return int(i), nil
	}
	return int(f), nil
}

// float returns a number of YAML, whole or not; false for anything else, also for a
// number in quotes.
func float(n *tree.Node) (float64, bool) {
	switch v := n.Value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// sizeText is the syntax of sizes. The library accepts more, such as "1,5", and
// cuts off fractions of a byte.
var sizeText = regexp.MustCompile(`^([0-9]+ ?B?|[0-9]+(\.[0-9]+)? ?[kKMGTP]i?B?)$`)

// nonZero matches a number that is not 0, however small.
var nonZero = regexp.MustCompile(`^[^eE]*[1-9]`)

// sizeValue accepts a number of bytes, or text with a unit. A size that rounds to 0 is an
// error, because 0 means "no limit".
func sizeValue(n *tree.Node) (any, error) {
	if i, ok := n.Value.(int64); ok {
		return i, nil
	}
	s, ok := n.Value.(string)
	if !ok || !sizeText.MatchString(s) {
		return nil, wrong("a number of bytes or a size such as 10MiB", n)
	}
	bytes, err := humanize.ParseBytes(s)
	if err != nil || bytes > math.MaxInt64 {
		return nil, wrong("a number of bytes or a size such as 10MiB", n)
	}
	if bytes == 0 && nonZero.MatchString(s) {
		return nil, wrong("0 or at least 1 byte", n)
	}
	return int64(bytes), nil
}

// durationValue reads a number of units, as BentoML does, or Go's syntax.
func (k *key) durationValue(n *tree.Node) (any, error) {
	want := "a number of " + k.unit + " or a duration such as 1.5s"
	d, ok := readDuration(n, k.durationUnit())
	if !ok {
		if f, number := float(n); number && !math.IsNaN(f) {
			want += " within 292 years"
		}
		return nil, wrong(want, n)
	}
	if d == 0 && nonZero.MatchString(n.Text) { // which would mean "no limit"
		return nil, wrong(k.span(), n)
	}
	return d, nil
}

// readDuration converts a number of units without an overflow, or reads Go's syntax.
func readDuration(n *tree.Node, unit time.Duration) (time.Duration, bool) {
	if s, ok := n.Value.(string); ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	if i, ok := n.Value.(int64); ok && i <= math.MaxInt64/int64(unit) && i >= math.MinInt64/int64(unit) {
		return time.Duration(i) * unit, true
	}
	f, ok := float(n)
	f = math.Round(f * float64(unit))
	return time.Duration(f), ok && math.Abs(f) < math.MaxInt64 // false for NaN
}

// durationUnit returns the unit of a number without one.
func (k *key) durationUnit() time.Duration {
	if k.kind == milliseconds {
		return time.Millisecond
	}
	return time.Second
}

// shortest returns the shortest allowed duration above 0: a shorter one is probably
// a mistake.
func (k *key) shortest() time.Duration { return k.durationUnit() / 1000 }

// numbersValue names the place of an item that is no number: a list of boundaries can be
// long.
func numbersValue(n *tree.Node) (any, error) {
	if n.Kind != tree.List {
		return nil, wrong("a list of numbers such as [0.1, 0.5]", n)
	}
	values := make([]float64, 0, len(n.Items))
	for i, item := range n.Items {
		f, ok := float(item)
		if !ok {
			return nil, fmt.Errorf("must be a list of numbers, found %s as number %d", item.Describe(), i+1)
		}
		values = append(values, f)
	}
	return values, nil
}

// textsValue accepts one string for a list of one.
func (k *key) textsValue(n *tree.Node) (any, error) {
	if s, ok := n.Value.(string); ok && n.Kind == tree.Scalar {
		return []string{s}, k.parses(s)
	}
	if n.Kind != tree.List {
		return nil, wrong("a list of strings", n)
	}
	values := make([]string, 0, len(n.Items))
	for i, item := range n.Items {
		s, ok := item.Value.(string)
		if !ok {
			return nil, fmt.Errorf("must be a list of strings, found %s as number %d", item.Describe(), i+1)
		}
		if err := k.parses(s); err != nil {
			return nil, err
		}
		values = append(values, s)
	}
	return values, nil
}

// outside returns why the key does not allow v, or "".
func (k *key) outside(v reflect.Value) string {
	if len(k.oneof) > 0 {
		found := fmt.Sprint(plain(v.Interface()))
		if slices.Contains(k.oneof, found) {
			return ""
		}
		if k.kind == text {
			found = strconv.Quote(found)
		}
		return k.notOneOf(found)
	}
	var f float64
	switch {
	case k.kind == duration || k.kind == milliseconds:
		d := v.Interface().(time.Duration)
		if d > 0 && d < k.shortest() {
			return "must be " + k.span() + ", found " + k.show(v)
		}
		f = float64(d) / float64(k.durationUnit())
	case v.CanInt():
		f = float64(v.Int())
	case v.CanFloat():
		f = v.Float()
	default:
		return ""
	}
	if k.min != nil && !(f >= *k.min) || k.max != nil && !(f <= *k.max) {
		return "must be " + k.span() + ", found " + k.show(v)
	}
	return ""
}

func (k *key) notOneOf(found string) string {
	return "must be " + alternatives(k.oneof) + ", found " + found
}

func alternatives(of []string) string {
	if of[0] == "" {
		of = append([]string{"empty"}, of[1:]...)
	}
	last := len(of) - 1
	return strings.Join(of[:last], ", ") + " or " + of[last]
}

// span returns the allowed numbers in words.
func (k *key) span() string {
	least := strconv.FormatFloat(*k.min, 'f', -1, 64)
	switch timed := k.kind == duration || k.kind == milliseconds; {
	case timed && *k.min == 0:
		return "0 or at least " + k.shortest().String()
	case timed:
		return "at least " + time.Duration(*k.min*float64(k.durationUnit())).String()
	}
	if k.max == nil {
		return least + " or more"
	}
	return "between " + least + " and " + strconv.FormatFloat(*k.max, 'f', -1, 64)
}
