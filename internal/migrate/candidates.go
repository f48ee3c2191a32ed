package migrate

import (
	"iter"
	"regexp"
	"strings"
)

// operandsOf returns what each operand without a value can be: a number or a
// metric.
func operandsOf(text string) []string {
	if strings.Contains(text, operand) {
		return []string{"1", anything}
	}
	return []string{""}
}

// candidates returns the possible readings of a query, with is for each operand. Each
// function without a value takes instant or range series, and perhaps numbers.
// Errors are about the first reading.
func candidates(text, is string) iter.Seq[string] {
	text = operators.ReplaceAllStringFunc(text, func(found string) string {
		return strings.Replace(found, operator, map[bool]string{true: "==", false: "+"}[strings.HasSuffix(found, "bool")], 1)
	})
	operands := strings.ReplaceAll(text, operand, is)
	parts, kinds := strings.Split(operands, function), kindsOf(operands)
	return func(yield func(string) bool) {
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
	}
}

var operators = regexp.MustCompile(operator + `(?:\s*bool\b)?`)

// ways returns the number of combinations to try.
func ways(kinds [][]string) int {
	const most = 128
	n := 1
	for _, kind := range kinds {
		n = min(n*len(kind), most)
	}
	return n
}

// kindsOf returns, for each function without a value, functions that it can be: one
// for each order of argument types. The first keeps the labels of its series.
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

// arguments counts the arguments of a call. text begins after the function's name.
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
