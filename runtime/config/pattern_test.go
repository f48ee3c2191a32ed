package config

import "testing"

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		expression, s string
		part, whole   bool
	}{
		{"", "", false, false},
		{"http://[ab]", "http://a", true, true},
		{"http://[ab]", "http://a.evil", true, false},
		{"http://[ab]", "x http://a", true, false},
		{"a|ab", "ab", true, true}, // the first alternative matches only a part
		{"a*?", "aaa", true, true},
		{`\Qhttps://example.org`, "https://example.org", true, true},
		{`\Qhttps://example.org`, "https://example.org)$", true, false},
		{"(?i)A$", "a", true, true},
		{"x*", "", true, true},
	} {
		p, err := ParsePattern(c.expression)
		if err != nil || p.Match(c.s) != c.part || p.MatchWhole(c.s) != c.whole || p.String() != c.expression {
			t.Errorf("%q of %s: got %t, %t, %v", c.s, p, p.Match(c.s), p.MatchWhole(c.s), err)
		}
	}
	for _, expression := range []string{"(", "a)|(b", "*", `\`} {
		if p, err := ParsePattern(expression); err == nil || !p.IsZero() {
			t.Errorf("%q was accepted", expression)
		}
	}
}
