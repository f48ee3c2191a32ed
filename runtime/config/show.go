package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// show returns a value as YAML. Secrets are hidden.
func (k *key) show(v reflect.Value) string {
	switch x := visible(v.Interface()).(type) {
	case time.Duration:
		return k.showDuration(x)
	case float64:
		return showFloat(x)
	case string:
		return quote(x)
	case []float64:
		return showList(x, showFloat)
	case []string:
		return showList(x, quote)
	default:
		return fmt.Sprint(x)
	}
}

// plain returns v with basic types only, secrets included, because koanf copies
// values without their unexported fields.
func plain(v any) any {
	switch v := v.(type) {
	case Secret:
		return v.Reveal()
	case URL:
		return v.Reveal()
	}
	return visible(v)
}

// visible returns v with basic types only. Secrets are hidden.
func visible(v any) any {
	switch v := v.(type) {
	case slog.Level:
		return strings.ToLower(v.String())
	case fmt.Stringer:
		if _, is := v.(encoding.TextMarshaler); is {
			return v.String()
		}
	case []Pattern:
		if v == nil {
			return []string(nil)
		}
		expressions := make([]string, len(v))
		for i, p := range v {
			expressions[i] = p.String()
		}
		return expressions
	}
	return v
}

func showList[T any](values []T, show func(T) string) string {
	shown := make([]string, 0, len(values))
	for _, v := range values {
		shown = append(shown, show(v))
	}
	return "[" + strings.Join(shown, ", ") + "]"
}

// showDuration returns a number in the key's unit if that is exact, else a Go
// duration.
func (k *key) showDuration(d time.Duration) string {
	unit := k.durationUnit()
	f := float64(d) / float64(unit)
	if back := math.Round(f * float64(unit)); math.Abs(back) < math.MaxInt64 && time.Duration(back) == d {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return d.String()
}

func showFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	case math.IsNaN(f):
		return ".nan"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
		return mantissa + ".0e" + exponent // "1e+06" is a string to some YAML parsers
	}
	return s
}

// bare matches strings that need no quotes in YAML.
var bare = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

func quote(s string) string {
	if bare.MatchString(s) && !reservedWord.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

var reservedWord = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|y|n)$`)
