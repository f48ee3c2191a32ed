package real

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// documented returns the explanation of docs/compatibility.md for a series that
// only one side has.
func documented(key string) string {
	switch {
	case strings.Contains(key, `__name__="ekiben_`), strings.Contains(key, `__name__="go_`):
		return "metrics of our own"
	case strings.Contains(key, `__name__="scrape_`), strings.Contains(key, `__name__="up"`):
		return "the scraper's own"
	}
	return ""
}

// series compares the series of both sides. It returns a table and the differences
// that have no explanation.
func series(t *testing.T, servers []server) (table string, wrong []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| scraped by | series of BentoML's families on both sides | explained | unexplained |\n|---|---|---|---|\n")
	for _, s := range servers {
		sides := map[string]map[string]float64{}
		for _, side := range []string{python_, golang} {
			sides[side] = vector(s.ask(t, `{instance="`+side+`",job="plain"}`), "instance", "pid")
		}
		both, explained := 0, map[string]bool{} // no number: how many there are depends on the batches
		var unexplained []string
		for key := range maps.All(union(sides[python_], sides[golang])) {
			_, a := sides[python_][key]
			_, b := sides[golang][key]
			why := documented(key)
			switch {
			case why != "":
				explained[why] = true
			case a && b:
				both++
			default:
				unexplained = append(unexplained, fmt.Sprintf("%s: BentoML %t, twin %t", key, a, b))
			}
		}
		slices.Sort(unexplained)
		for _, line := range unexplained {
			wrong = append(wrong, s.name+": "+line)
		}
		notes := slices.Sorted(maps.Keys(explained))
		fmt.Fprintf(&b, "| %s | %d | %s | %d |\n", titles[s.name], both, strings.Join(notes, "; "), len(unexplained))
	}
	return b.String() + "\n", wrong
}

var titles = map[string]string{"prometheus2": "Prometheus 2.42", "prometheus3": "Prometheus 3.16", "victoria": "VictoriaMetrics 1.122"}

func union(a, b map[string]float64) map[string]float64 {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
