package wire

import (
	"cmp"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// pattern is a regular expression in Go's syntax, and in the syntax of ECMA-262 with
// the flag u, which JSON Schema uses.
type pattern struct {
	*regexp.Regexp
	ecma string
}

// same matches expressions that mean the same in both syntaxes. They are published
// as written. notSame matches exceptions: repeated anchors and flags.
var (
	same = regexp.MustCompile(`^(?:` +
		`[^\\.\[\](){}*+?]` + // a character, an anchor, |
		`|\\[dDwWtnrfv^$\\.*+?()\[\]{}|/]` +
		`|\[\^?-?(?:[^\\\[\]^-]-[^\\\[\]^-]|[^\\\[\]^-]|\\[dDwWtnrfv^$\\.*+?()\[\]{}|/-])+-?\]` +
		`|\((?:\?:)?|\)` +
		`|[*+?]\??|\{[0-9]+(?:,[0-9]*)?\}\??` +
		`)*$`)
	notSame = regexp.MustCompile(`[\^$][*+?{]|\(\?[^:]`)
)

func parsePattern(s string) (*pattern, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("must be a regular expression in Go's syntax: %w", err)
	}
	if same.MatchString(s) && !notSame.MatchString(s) {
		return &pattern{re, s}, nil
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	var e ecma
	if e.write(parsed); e.missing != "" {
		return nil, fmt.Errorf("%s cannot be written in JSON Schema, whose patterns are those of ECMA-262", e.missing)
	}
	return &pattern{re, e.String()}, nil
}

// ecma writes a parsed expression in the syntax of ECMA-262.
type ecma struct {
	strings.Builder
	missing string // a construct that ECMA-262 does not have
}

func (e *ecma) write(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpNoMatch:
		e.WriteString("[]")
	case syntax.OpEmptyMatch:
		e.WriteString("(?:)")
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			e.literal(r, re.Flags&syntax.FoldCase != 0)
		}
	case syntax.OpCharClass:
		e.class(re.Rune)
	case syntax.OpAnyCharNotNL:
		e.WriteString(`[^\n]`)
	case syntax.OpAnyChar:
		e.WriteString(`[\s\S]`)
	case syntax.OpBeginText:
		e.WriteString("^")
	case syntax.OpEndText:
		e.WriteString("$")
	case syntax.OpBeginLine:
		e.missing = "the multi-line anchor (?m)^"
	case syntax.OpEndLine:
		e.missing = "the multi-line anchor (?m)$"
	case syntax.OpWordBoundary:
		e.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		e.WriteString(`\B`)
	case syntax.OpCapture:
		e.group(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			e.part(sub, sub.Op == syntax.OpAlternate)
		}
	case syntax.OpAlternate:
		for i, sub := range re.Sub {
			if i > 0 {
				e.WriteByte('|')
			}
			e.write(sub)
		}
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		e.repeat(re)
	}
}

func (e *ecma) group(re *syntax.Regexp) {
	e.WriteString("(?:")
	e.write(re)
	e.WriteByte(')')
}

func (e *ecma) part(re *syntax.Regexp, grouped bool) {
	if grouped {
		e.group(re)
		return
	}
	e.write(re)
}

func (e *ecma) repeat(re *syntax.Regexp) {
	sub := re.Sub[0]
	single := sub.Op == syntax.OpCharClass || sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL ||
		sub.Op == syntax.OpCapture || sub.Op == syntax.OpLiteral && len(sub.Rune) == 1
	e.part(sub, !single)
	switch {
	case re.Op == syntax.OpStar:
		e.WriteByte('*')
	case re.Op == syntax.OpPlus:
		e.WriteByte('+')
	case re.Op == syntax.OpQuest:
		e.WriteByte('?')
	case re.Min == re.Max:
		e.WriteString("{" + strconv.Itoa(re.Min) + "}")
	case re.Max < 0:
		e.WriteString("{" + strconv.Itoa(re.Min) + ",}")
	default:
		e.WriteString("{" + strconv.Itoa(re.Min) + "," + strconv.Itoa(re.Max) + "}")
	}
	if re.Flags&syntax.NonGreedy != 0 {
		e.WriteByte('?')
	}
}

// literal writes r, and with fold all other cases of it.
func (e *ecma) literal(r rune, fold bool) {
	if !fold || unicode.SimpleFold(r) == r {
		e.rune(r, `^$\.*+?()[]{}|/`)
		return
	}
	e.WriteByte('[')
	e.rune(r, `^$\.*+?()[]{}|/-`)
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		e.rune(other, `^$\.*+?()[]{}|/-`)
	}
	e.WriteByte(']')
}

// rune writes one character. Special characters are escaped; unprintable ones are
// written as numbers.
func (e *ecma) rune(r rune, special string) {
	switch {
	case strings.ContainsRune(special, r):
		e.WriteByte('\\')
		e.WriteRune(r)
	case r < 0x100 && !strconv.IsPrint(r):
		_, _ = fmt.Fprintf(e, `\x%02x`, r)
	case !strconv.IsPrint(r):
		_, _ = fmt.Fprintf(e, `\u{%x}`, r)
	default:
		e.WriteRune(r)
	}
}

// longClass is the number of ranges above which a class is written with the names of
// the Unicode classes in it: without names, \p{L} is 4 kB long.
const longClass = 20

// class writes a class of characters, given as pairs of first and last.
func (e *ecma) class(pairs []rune) {
	for _, p := range properties() {
		if slices.Equal(p.pairs, pairs) {
			e.WriteString(p.name)
			return
		}
	}
	e.WriteByte('[')
	if len(pairs) > 0 && pairs[0] == 0 && pairs[len(pairs)-1] == unicode.MaxRune {
		e.WriteByte('^')
		pairs = inverse(pairs)
	}
	names, rest := classNames(pairs)
	e.WriteString(names)
	pairs = rest
	for i := 0; i < len(pairs); i += 2 {
		e.rune(pairs[i], `^$\.*+?()[]{}|/-`)
		if pairs[i+1] > pairs[i] {
			if pairs[i+1] > pairs[i]+1 {
				e.WriteByte('-')
			}
			e.rune(pairs[i+1], `^$\.*+?()[]{}|/-`)
		}
	}
	e.WriteByte(']')
}

// classNames returns the names of the Unicode classes in a long class, and the ranges that
// are in none of them. If these are not fewer, it returns no names.
func classNames(pairs []rune) (names string, rest []rune) {
	rest = pairs
	for _, p := range properties() {
		if len(rest) <= 2*longClass {
			break
		}
		if !strings.HasPrefix(p.name, `\p`) || !contains(pairs, p.pairs) {
			continue
		}
		if smaller := without(rest, p.pairs); !slices.Equal(smaller, rest) {
			names, rest = names+p.name, smaller
		}
	}
	if len(rest) < len(pairs) {
		return names, rest
	}
	return "", pairs
}

// contains reports whether each range of part is in a range of whole.
func contains(whole, part []rune) bool {
	for i := 0; i < len(part); i += 2 {
		for len(whole) > 0 && whole[1] < part[i] {
			whole = whole[2:]
		}
		if len(whole) == 0 || whole[0] > part[i] || whole[1] < part[i+1] {
			return false
		}
	}
	return true
}

// without returns the ranges of whole that are not in part.
func without(whole, part []rune) []rune {
	var rest []rune
	for i := 0; i < len(whole); i += 2 {
		from, to := whole[i], whole[i+1]
		for ; len(part) > 0 && part[0] <= to; part = part[2:] {
			if from < part[0] {
				rest = append(rest, from, part[0]-1)
			}
			from = max(from, part[1]+1)
			if part[1] > to { // also in the next range
				break
			}
		}
		if from <= to {
			rest = append(rest, from, to)
		}
	}
	return rest
}

func inverse(pairs []rune) []rune {
	var gaps []rune
	for i := 1; i+1 < len(pairs); i += 2 {
		gaps = append(gaps, pairs[i]+1, pairs[i+1]-1)
	}
	return gaps
}

// property is a Unicode class and its name in ECMA-262.
type property struct {
	name  string
	pairs []rune
	size  rune // number of characters
}

// properties returns the Unicode classes, the largest first.
var properties = sync.OnceValue(func() []property {
	var all []property
	add := func(goName, name string) {
		for _, p := range []string{"p", "P"} {
			re, err := syntax.Parse(`\`+p+`{`+goName+`}`, syntax.Perl)
			if err != nil || re.Op != syntax.OpCharClass {
				continue
			}
			one := property{name: `\` + p + `{` + name + `}`, pairs: re.Rune}
			for i := 0; i < len(re.Rune); i += 2 {
				one.size += re.Rune[i+1] - re.Rune[i] + 1
			}
			all = append(all, one)
		}
	}
	for script := range unicode.Scripts {
		add(script, "Script="+script)
	}
	for category := range unicode.Categories {
		if len(category) <= 2 {
			add(category, category)
		}
	}
	slices.SortFunc(all, func(a, b property) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name)) })
	return all
})
