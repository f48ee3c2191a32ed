package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// withoutVariables replaces Grafana's variables by what a query can be read with:
// a duration between [ and ] or after offset, a label in a list of labels, a
// value between quotes or after =, matchers in braces, a function, an operator
// between operands, a part of a metric's name, and otherwise an operand.
func withoutVariables(text string) string {
	r := replacer{text: text}
	for r.at < len(text) {
		if n := variableAt(text[r.at:]); n > 0 {
			r.out.WriteString(r.replacement(n))
			r.at += n
			continue
		}
		r.character()
	}
	return r.out.String()
}

// replacer knows where in a query it is.
type replacer struct {
	text     string
	at       int
	out      strings.Builder
	quote    byte
	brackets int
	braces   int
	lists    []string // for each open parenthesis, the word before that says that it holds labels
	matching int      // where a list of labels ends that an operand is after
}

func (r *replacer) character() {
	c := r.text[r.at]
	switch {
	case r.quote != 0 && c == '\\' && r.at+1 < len(r.text):
		r.out.WriteByte(c)
		r.at++
		c = r.text[r.at]
	case r.quote != 0:
		if c == r.quote {
			r.quote = 0
		}
	case c == '"' || c == '\'' || c == '`':
		r.quote = c
	case c == '#': // a comment, to the end of its line
		if end := strings.IndexByte(r.text[r.at:], '\n'); end >= 0 {
			r.at += end
		} else {
			r.at = len(r.text)
		}
		return
	case c == '[':
		r.brackets++
	case c == ']':
		r.brackets--
	case c == '{':
		r.braces++
	case c == '}':
		r.braces--
	case c == '(':
		word := lastWord(r.out.String())
		if !slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, word) {
			word = ""
		}
		r.lists = append(r.lists, word)
	case c == ')' && len(r.lists) > 0:
		if word := r.lists[len(r.lists)-1]; word != "" && word != "by" && word != "without" {
			r.matching = r.out.Len() + 1
		}
		r.lists = r.lists[:len(r.lists)-1]
	}
	r.out.WriteByte(c)
	r.at++
}

func isWord(c rune) bool {
	return c == '_' || c == ':' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// replacement is what stands for the variable here, which is n bytes long.
func (r *replacer) replacement(n int) string {
	before, after := r.out.String(), r.text[r.at+n:]
	switch {
	case r.quote != 0:
		return anything
	case r.brackets > 0, strings.HasSuffix(strings.TrimRight(before, " -"), "offset"):
		if after != "" && after[0] != ':' && (isWord(rune(after[0])) || variableAt(after) > 0) { // the unit follows
			return "5"
		}
		return "5m"
	case r.filters(before, after):
		return anything + `="` + anything + `"`
	case r.braces > 0 && endsWith(before, "=~"):
		return `"` + anything + `"`
	case r.braces > 0 && endsWith(before, "\"'`"): // matchers, with the comma before them
		return "," + anything + `="` + anything + `"`
	case r.braces > 0:
		return anything
	case r.operates(before, after):
		return operator
	case calls.MatchString(after):
		return function
	case len(r.lists) > 0 && r.lists[len(r.lists)-1] != "":
		return anything
	case before != "" && isWord(rune(before[len(before)-1])), after != "" && (isWord(rune(after[0])) || strings.ContainsRune("{[", rune(after[0]))):
		return anything
	}
	return operand
}

// calls is what follows the name of a function or an aggregation.
var calls = regexp.MustCompile(`^\s*(?:\(|(?:by|without)\b)`)

// filters reports whether the variable here is one or more whole matchers.
func (r *replacer) filters(before, after string) bool {
	after = strings.TrimSpace(after)
	return r.braces > 0 && endsWith(before, "{,") && after != "" && (strings.ContainsRune("},", rune(after[0])) || variableAt(after) > 0)
}

// variableAt is the length of the variable that text begins with, or 0: $name,
// ${name}, ${name:format}, [[name]].
func variableAt(text string) int {
	for _, form := range []struct{ open, end string }{{"${", "}"}, {"[[", "]]"}} {
		if rest, ok := strings.CutPrefix(text, form.open); ok {
			if at := strings.Index(rest, form.end); at > 0 && isWord(rune(rest[0])) && rest[0] != ':' { // [[:alpha:]] is none
				return len(form.open) + at + len(form.end)
			}
			return 0
		}
	}
	if len(text) < 2 || text[0] != '$' {
		return 0
	}
	n := 1
	for n < len(text) && isWord(rune(text[n])) && text[n] != ':' {
		n++
	}
	if n == 1 {
		return 0 // an end of line in a regular expression
	}
	return n
}
