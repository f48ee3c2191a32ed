package migrate

import (
	"iter"
	"strings"
)

// candidates are the ways to read a query: its operands are numbers or metrics,
// and each of its functions takes series as they are now, or as they were over a
// time. The first is what errors are about.
func candidates(text string) iter.Seq[string] {
	const most = 6 // functions that are tried one by one
	return func(yield func(string) bool) {
		for _, is := range []string{"1", anything} {
			operands := strings.ReplaceAll(text, operand, is)
			n := min(strings.Count(operands, function), most)
			for ways := range 1 << n {
				one := operands
				for i := range n {
					one = strings.Replace(one, function, []string{"sum", "rate"}[ways>>i&1], 1)
				}
				if !yield(strings.ReplaceAll(one, function, "sum")) {
					return
				}
			}
			if !strings.Contains(text, operand) {
				return
			}
		}
	}
}
