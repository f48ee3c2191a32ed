package wire

import (
	"regexp"
	"strings"
	"testing"
)

// goSyntax converts the forms of ECMA-262 that differ in Go to Go's.
var goSyntax = strings.NewReplacer(`\u{`, `\x{`, `Script=`, ``, `[]`, `[^\x00-\x{10ffff}]`)

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, ecma string // the same if empty
		match, not    []string
	}{
		{pattern: `^[A-Z]{2}[0-9]{3}$`, match: []string{"AB123"}, not: []string{"ab123", "AB123\n"}},
		{pattern: `^(?:a|b)+?\d*[\w.-]\.$`, match: []string{"a1-."}, not: []string{"a"}},
		{pattern: `^.+$`, ecma: `^[^\n]+$`, match: []string{"\r", "\u2028"}, not: []string{"\n", ""}},
		{pattern: `(?s)^a.b$`, ecma: `^a[\s\S]b$`, match: []string{"a\nb"}, not: []string{"ab"}},
		{pattern: `^(?i)ask$`, ecma: "^[Aa][Ssſ][Kk\u212a]$", match: []string{"ASK", "aſ\u212a"}, not: []string{"as"}},
		{pattern: `^\pL+\P{Lu}$`, ecma: `^\p{L}+\P{Lu}$`, match: []string{"éa"}, not: []string{"éA", "1a"}},
		{pattern: `^\p{Greek}\p{^Greek}$`, ecma: `^\p{Script=Greek}\P{Script=Greek}$`, match: []string{"αa"}, not: []string{"aα"}},
		{pattern: `(?i)^k\pL+$`, ecma: "^[Kk\u212a][\\p{L}\u0345]+$", match: []string{"Kz\U00010400", "k\u0345"}, not: []string{"k1", "k\u0346"}},
		{pattern: `^[\pL\d_]+[^\pL\pN ]$`, ecma: `^[\p{L}0-9_]+[^\p{L}\p{N} ]$`, match: []string{"é9\U00010400."}, not: []string{"aé", "a ", "a½", "½."}},
		{pattern: `^[\p{Lu}\p{Ll}][\p{Lu}\p{Nd}]$`, ecma: `^[\p{Ll}\p{Lu}][\p{Lu}\p{Nd}]$`, match: []string{"éÉ", "É٣"}, not: []string{"ªA", "ǅA", "Aé"}},
		{pattern: `^[\pN\p{Greek}]$`, ecma: `^[\p{N}\p{Script=Greek}]$`, match: []string{"½", "α", "\U00010140"}, not: []string{"a"}},
		{pattern: `^[\p{Greek}\d]$`, ecma: `^[\p{Script=Greek}0-9]$`, match: []string{"α", "1"}, not: []string{"a", "\u0374"}},
		{pattern: `\Aa\z`, ecma: `^a$`, match: []string{"a"}, not: []string{"ba", "ab"}},
		{pattern: `^\s\S$`, ecma: `^[\x09\x0a\x0c\x0d ][^\x09\x0a\x0c\x0d ]$`, match: []string{" \u00a0", "\t\v"}, not: []string{"\u00a0a", "\va"}},
		{pattern: `^[[:alpha:]_]$`, ecma: `^[A-Z_a-z]$`, match: []string{"q", "_"}, not: []string{"1"}},
		{pattern: `^\Qa.b\E\-\:$`, ecma: `^a\.b-:$`, match: []string{"a.b-:"}, not: []string{"axb-:"}},
		{pattern: `^\x{1F600}\x{200b}\a\077$`, ecma: `^😀\u{200b}\x07\?$`, match: []string{"😀\u200b\a?"}, not: []string{"?"}},
		{pattern: `^(?P<1st>a|bc)(?U:d+)$`, ecma: `^(?:a|bc)d+?$`, match: []string{"add", "bcd"}, not: []string{"d"}},
		{pattern: `^a{,2}]}$`, ecma: `^a\{,2\}\]\}$`, match: []string{"a{,2}]}"}, not: []string{"aa"}},
		{pattern: `^[]a][^]a]$`, ecma: `^[\]a][^\]a]$`, match: []string{"]b"}, not: []string{"ba"}},
		{pattern: `^*(?:ab){2,}(?:cd){1,3}?$`, ecma: `(?:^)*(?:ab){2,}(?:cd){1,3}?$`, match: []string{"xababcd"}, not: []string{"abcd"}},
		{pattern: `^(a|)\b[^\x00-\x{10ffff}]*\B?$`, ecma: `^(?:a|(?:))\b[]*(?:\B)?$`, match: []string{"a"}, not: []string{"b", ""}},
		{pattern: `^(?:)(ab|(?:))$`, match: []string{"", "ab"}, not: []string{"a"}},
	} {
		got, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		want := test.ecma
		if want == "" {
			want = test.pattern
		}
		if got.ecma != want {
			t.Errorf("%s: got %s, want %s", test.pattern, got.ecma, want)
		}
		translated, err := regexp.Compile(goSyntax.Replace(got.ecma))
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		for _, s := range append(test.match, test.not...) {
			if got.MatchString(s) != translated.MatchString(s) {
				t.Errorf("%s: the translation %s says otherwise of %q", test.pattern, got.ecma, s)
			}
		}
		for i, s := range append(test.match, test.not...) {
			if got.MatchString(s) != (i < len(test.match)) {
				t.Errorf("%s: %q: got %v", test.pattern, s, got.MatchString(s))
			}
		}
	}
}

// What ECMA-262 cannot express is refused.
func TestRefusedPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		`(`:      "must be a regular expression in Go's syntax: error parsing regexp: missing closing ): `(`",
		`(?m)^a`: "the multi-line anchor (?m)^ cannot be written in JSON Schema, whose patterns are those of ECMA-262",
		`(?m)a$`: "the multi-line anchor (?m)$ cannot be written in JSON Schema, whose patterns are those of ECMA-262",
	} {
		if _, err := parsePattern(pattern); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}
