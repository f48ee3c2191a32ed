package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// replacer replaces Grafana's variables in a query. A variable without a value is
// replaced by a word that fits its place: a duration between [ and ] or after
// offset, a label in a list of labels, a string between quotes or after =,
// matchers in braces, a function, an operator between operands, a part of a
// metric's name, or else an operand.
type replacer struct {
	text     string
	values   map[string]choice
	uses     map[string]bool // the variables found; true: one must have a value
	operands []string        // the variables replaced by an operand
	// unformatted are the variables that have a value, in a format that is not known.
	unformatted []string
	at          int
	out         strings.Builder
	quote       byte
	opened      int // where in out the quote is
	brackets    int
	braces      int
	lists       []string // for each open parenthesis, the word before it if that makes it a list of labels
	matching    int      // where in out a list of labels ends that an operand follows
}

func (r *replacer) all() string {
	for r.at < len(r.text) {
		if n := variableAt(r.text[r.at:]); n > 0 {
			r.out.WriteString(r.replacement(n))
			r.at += n
			continue
		}
		r.character()
	}
	return r.out.String()
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
		r.quote, r.opened = c, r.out.Len()
	case c == '#': // a comment ends with its line
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

// replacement returns the text in place of the variable at r.at, which is n bytes
// long.
func (r *replacer) replacement(n int) string {
	before, after := r.out.String(), r.text[r.at+n:]
	name, format := nameOf(r.text[r.at : r.at+n])
	if r.brackets > 0 && r.quote == 0 || r.quote == 0 && strings.HasSuffix(strings.TrimRight(before, " -"), "offset") {
		if after != "" && after[0] != ':' && (isWord(rune(after[0])) || variableAt(after) > 0) { // its unit follows
			return "5"
		}
		return "5m"
	}
	if c, known := r.values[name]; known {
		regular := r.quote != 0 && strings.HasSuffix(strings.TrimSpace(before[:r.opened]), "~")
		if text, ok := c.as(format, r.quote, regular); ok {
			return text
		}
		r.unformatted = append(r.unformatted, r.text[r.at:r.at+n])
	}
	text := r.unknown(before, after)
	r.uses[name] = r.uses[name] || text == anything && r.quote == 0 && !r.labels() // an unknown label does not empty a query
	if text == operand {
		if strings.HasPrefix(name, "__") { // Grafana's own variables are numbers here
			return "1"
		}
		r.operands = append(r.operands, "$"+name)
	}
	return text
}

// unknown returns the word that fits between before and after.
func (r *replacer) unknown(before, after string) string {
	switch {
	case r.quote != 0:
		return anything
	case r.filters(before, after):
		return anything + `="` + anything + `"`
	case r.braces > 0 && endsWith(before, "=~"):
		return `"` + anything + `"`
	case r.braces > 0 && endsWith(before, "\"'`"): // matchers with the comma before them
		return "," + anything + `="` + anything + `"`
	case r.braces > 0:
		return anything
	case r.operates(before, after):
		return operator
	case calls.MatchString(after):
		return function
	case r.labels():
		return anything
	case before != "" && isWord(rune(before[len(before)-1])), after != "" && (isWord(rune(after[0])) || strings.ContainsRune("{[", rune(after[0])) || variableAt(after) > 0):
		return anything
	}
	return operand
}

// labels reports whether r is in a list of labels.
func (r *replacer) labels() bool { return len(r.lists) > 0 && r.lists[len(r.lists)-1] != "" }

// nameOf splits $name, ${name:format} or [[name:format]].
func nameOf(variable string) (name, format string) {
	name, format, _ = strings.Cut(strings.Trim(variable, "${}[]"), ":")
	return name, format
}

// calls matches the text after the name of a function or an aggregation.
var calls = regexp.MustCompile(`^\s*(?:\(|(?:by|without)\b)`)

// filters reports whether the variable here is one or more whole matchers.
func (r *replacer) filters(before, after string) bool {
	after = strings.TrimSpace(after)
	return r.braces > 0 && endsWith(before, "{,") && after != "" && (strings.ContainsRune("},", rune(after[0])) || variableAt(after) > 0)
}

// variableAt returns the length of the variable at the beginning of text, or 0:
// $name, ${name}, ${name:format}, [[name]].
func variableAt(text string) int {
	for _, form := range []struct{ open, end string }{{"${", "}"}, {"[[", "]]"}} {
		if rest, ok := strings.CutPrefix(text, form.open); ok {
			if at := strings.Index(rest, form.end); at > 0 && isWord(rune(rest[0])) && rest[0] != ':' { // [[:alpha:]] is a class of characters
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
