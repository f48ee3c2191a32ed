package migrate

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Report is what a comparison found.
type Report struct {
	Old string `json:"old"` // where the pages are from
	New string `json:"new"`
	// Differences are between the pages, by family; Findings are what queries
	// would notice of them, in the order of the queries.
	Differences []Difference `json:"differences"`
	Findings    []Finding    `json:"findings"`
	Families    int          `json:"families"` // of the old page
	Queries     int          `json:"queries"`  // that are looked at
	// Counted is how many of both count. 0: nobody would notice, as far as queries
	// could be checked; Unchecked is how many could not.
	Counted   int `json:"counted"`
	Unchecked int `json:"unchecked"`
	// Unused are the patterns of Options.Ignore that name nothing that was found.
	Unused []string `json:"-"`
}

// Options are what a comparison is told besides.
type Options struct {
	// Recorded are names that recording rules make: no page has them.
	Recorded []string
	// Ignore are patterns as [Ignore] has them. What a query notices of nothing else
	// is ignored, too.
	Ignore []string
}

// NewReport compares pages, and asks queries of both.
func NewReport(before, after *Page, queries []Query, o Options) Report {
	r := Report{Old: before.Name, New: after.Name, Differences: Compare(before, after), Families: len(before.families)}
	used := map[string]bool{}
	for _, pattern := range o.Ignore {
		used[pattern] = Ignore(r.Differences, pattern) > 0
	}
	recorded := map[string]bool{}
	for _, name := range o.Recorded {
		recorded[name] = true
	}
	c := checking{before: before, after: after, known: recorded, strays: before.strays(after), ignored: o.Ignore, used: used}
	c.emptied = c.goingEmpty(queries)
	for _, q := range queries {
		if q.Skip == "" {
			r.Queries++
		}
		r.Findings = append(r.Findings, c.check(q)...)
	}
	r.Unused = slices.DeleteFunc(slices.Clone(o.Ignore), func(p string) bool { return used[p] })
	for _, d := range r.Differences {
		if d.Because == "" {
			r.Counted++
		}
	}
	for _, f := range r.Findings {
		switch {
		case f.Unchecked:
			r.Unchecked++
		case f.counts():
			r.Counted++
		}
	}
	return r
}

// WriteText writes the report for a person: what counts, what could not be
// checked, then what does not count, with the reason, and how much of it there is. What is merely new is counted,
// not listed.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "old: %s\nnew: %s\n", r.Old, r.New)
	section(&b, "families", lines(r.Differences, func(d Difference) (string, bool) { return d.String(), d.Because == "" }))
	section(&b, "queries", lines(r.Findings, func(f Finding) (string, bool) { return f.String(), f.counts() }))
	section(&b, "could not be checked", lines(r.Findings, func(f Finding) (string, bool) { return f.String(), f.Unchecked }))
	section(&b, "does not count", append(
		lines(r.Differences, func(d Difference) (string, bool) {
			return d.String() + " (" + d.Because + ")", d.Because != "" && d.Because != unnoticed
		}),
		lines(r.Findings, func(f Finding) (string, bool) { return f.String() + " (" + f.Because + ")", f.Because != "" })...))
	gained := 0
	for _, d := range r.Differences {
		if d.Because == unnoticed {
			gained++
		}
	}
	fmt.Fprintf(&b, "\n%s; %d families and %d queries looked at, %d additions\n", r.verdict(), r.Families, r.Queries, gained)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) verdict() string {
	found := "nothing that a dashboard would notice"
	switch {
	case r.Counted > 0:
		found = plural(r.Counted, "1 difference", "%d differences")
	case r.Unchecked > 0:
		found = "no difference found"
	}
	if r.Unchecked > 0 {
		found += ", and " + plural(r.Unchecked, "1 query could not be checked", "%d queries could not be checked")
	}
	return found
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func lines[T any](list []T, line func(T) (string, bool)) []string {
	var out []string
	for _, one := range list {
		if text, ok := line(one); ok {
			out = append(out, text)
		}
	}
	return out
}

func section(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, line := range slices.Compact(lines) {
		b.WriteString("  " + strings.ReplaceAll(line, "\n", "\n    ") + "\n")
	}
}

// String is the finding in a few lines: where, what, of which query, and examples.
func (f Finding) String() string {
	text := f.Where + ": " + f.Text
	if f.Selector != "" {
		text += "\n" + f.Selector
	}
	if f.Query != "" && f.Query != f.Selector {
		text += "\nin " + f.Query
	}
	return text + examples("- ", f.Lost) + examples("+ ", f.Gained)
}

// boundary is le in a series' text, whose values have their quotes escaped.
var boundary = regexp.MustCompile(`([{,])le="[^"]*"`)

// examples are the first series of a list, and how many more there are. Buckets
// of one histogram are one line, so that they hide no other series.
func examples(sign string, series []string) string {
	const most = 10
	var firsts []string
	buckets := map[string]int{}
	for _, one := range series {
		histogram := boundary.ReplaceAllString(one, "$1")
		if buckets[histogram]++; buckets[histogram] == 1 {
			firsts = append(firsts, one)
		}
	}
	text, left := "", len(series)
	for _, one := range firsts[:min(len(firsts), most)] {
		n := buckets[boundary.ReplaceAllString(one, "$1")]
		left -= n
		text += "\n" + sign + one
		if n > 1 {
			text += fmt.Sprintf(" and %d more of le", n-1)
		}
	}
	if left > 0 {
		text += fmt.Sprintf("\n%sand %d more", sign, left)
	}
	return text
}
