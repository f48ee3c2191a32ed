package config

import (
	"errors"
	"regexp"
	"strings"
)

// Pattern is a compiled regular expression in RE2 syntax. [ParsePattern] makes
// one. The zero Pattern has no expression and matches nothing. A Pattern may be
// used by several goroutines.
type Pattern struct{ compiled *regexp.Regexp }

// ParsePattern compiles an expression. "" gives the zero Pattern.
func ParsePattern(expression string) (Pattern, error) {
	var p Pattern
	err := p.UnmarshalText([]byte(expression))
	return p, err
}

// IsZero reports whether there is no expression.
func (p Pattern) IsZero() bool { return p.compiled == nil }

// Match reports whether the expression matches any part of s.
func (p Pattern) Match(s string) bool { return p.compiled != nil && p.compiled.MatchString(s) }

// MatchWhole reports whether the expression matches all of s.
func (p Pattern) MatchWhole(s string) bool {
	if p.compiled == nil {
		return false
	}
	at := p.compiled.FindStringIndex(s)
	return at != nil && at[0] == 0 && at[1] == len(s)
}

// String returns the expression.
func (p Pattern) String() string {
	if p.compiled == nil {
		return ""
	}
	return p.compiled.String()
}

// MarshalText returns the expression.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText compiles an expression.
func (p *Pattern) UnmarshalText(expression []byte) error {
	*p = Pattern{}
	if len(expression) == 0 {
		return nil
	}
	compiled, err := regexp.Compile(string(expression))
	if err != nil {
		return errors.New("must be a regular expression (RE2): " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	// MatchWhole needs the longest of the leftmost matches. Anchors around the
	// expression would not do: they change the meaning of one such as \Qa.
	compiled.Longest()
	p.compiled = compiled
	return nil
}
