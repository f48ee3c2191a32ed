package migrate

import (
	"iter"
	"regexp"
	"strings"
)

// candidates are the ways to read a query: its operands are numbers or metrics,
// and each of its functions takes series as they are now, or as they were over a
// time, and perhaps a number. The first is what errors are about.
func candidates(text string) iter.Seq[string] {
	text = operators.ReplaceAllStringFunc(text, func(found string) string {
		return strings.Replace(found, operator, map[bool]string{true: "==", false: "+"}[strings.HasSuffix(found, "bool")], 1)
	})
	return func(yield func(string) bool) {
		for _, is := range []string{"1", anything} {
			operands := strings.ReplaceAll(text, operand, is)
			parts, kinds := strings.Split(operands, function), kindsOf(operands)
			for way := range ways(kinds) {
				var one strings.Builder
				one.WriteString(parts[0])
				for i, kind := range kinds {
					one.WriteString(kind[way%len(kind)] + parts[i+1])
					way /= len(kind)
				}
				if !yield(one.String()) {
					return
				}
			}
			if !strings.Contains(text, operand) {
				return
			}
		}
	}
}

var operators = regexp.MustCompile(operator + `(?:\s*bool\b)?`)

// ways is how many there are to choose of each of some kinds, those that are tried.
func ways(kinds [][]string) int {
	const most = 128
	n := 1
	for _, kind := range kinds {
		n = min(n*len(kind), most)
	}
	return n
}

// kindsOf are the functions that each of a query's may be. Those of two arguments
// are of each order of what they take, and the first keeps the labels that are
// asked for around it.
func kindsOf(text string) [][]string {
	var kinds [][]string
	for {
		_, after, found := strings.Cut(text, function)
		if !found {
			return kinds
		}
		kind := []string{"sum", "rate"}
		if arguments(after) > 1 {
			kind = []string{"histogram_quantile", "topk", "clamp_max", "quantile_over_time", "predict_linear"}
		}
		kinds, text = append(kinds, kind), after
	}
}

var grouping = regexp.MustCompile(`^\s*(?:by|without)\s*\([^)]*\)`)

// arguments counts those of the call whose name is right before text.
func arguments(text string) int {
	text = strings.TrimLeft(grouping.ReplaceAllString(text, ""), " \t\n")
	n, depth := 1, 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && quote != '`' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case strings.IndexByte("\"'`", c) >= 0:
			quote = c
		case strings.IndexByte("({[", c) >= 0:
			depth++
		case strings.IndexByte(")}]", c) >= 0:
			depth--
			if depth <= 0 {
				return n
			}
		case c == ',' && depth == 1:
			n++
		}
	}
	return n
}
