package migrate

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Report is the result of a comparison.
type Report struct {
	Old         string       `json:"old"` // source of the old metrics
	New         string       `json:"new"`
	Differences []Difference `json:"differences"` // between the metrics, by family
	Findings    []Finding    `json:"findings"`    // of queries, in their order
	Families    int          `json:"families"`    // of the old metrics
	Queries     int          `json:"queries"`     // that are checked
	// Counted is the number of differences and findings that count.
	Counted int `json:"counted"`
	// Unchecked is the number of findings about queries that could not be checked.
	Unchecked int `json:"unchecked"`
	// Unused are the patterns of Options.Ignore that match nothing.
	Unused []string `json:"-"`
}

// Options configure a comparison.
type Options struct {
	// Ignore are patterns as for [Ignore]. A finding about ignored labels and
	// families alone is ignored too. Default: none.
	Ignore []string
}

// NewReport compares metrics and checks queries against both.
func NewReport(before, after *Metrics, queries []Query, o Options) Report {
	r := Report{Old: before.Name, New: after.Name, Differences: Compare(before, after), Families: len(before.families)}
	used := map[string]bool{}
	for _, pattern := range o.Ignore {
		used[pattern] = Ignore(r.Differences, pattern) > 0
	}
	c := checking{before: before, after: after, known: map[string]bool{}, strays: before.strays(after), ignored: o.Ignore, used: used, objects: map[string]bool{}}
	c.collect(queries)
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

// collect finds the names and rules that other queries refer to.
func (c *checking) collect(queries []Query) {
	for _, q := range queries {
		if q.Record != "" {
			c.known[q.Record] = true
		}
		if q.adapter != nil {
			c.adapter = append(c.adapter, q.adapter)
		}
		if q.scaledObject != "" {
			c.objects[q.scaledObject] = true
		}
	}
}

// WriteText writes the report for people: differences and findings that count,
// queries that could not be checked, then differences that do not count, with the
// reason.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "old: %s\nnew: %s\n", r.Old, r.New)
	section(&b, "families", lines(r.Differences, func(d Difference) (string, bool) { return d.String(), d.Because == "" }))
	section(&b, "queries", lines(r.Findings, func(f Finding) (string, bool) { return f.String(), f.counts() }))
	section(&b, "could not be checked", lines(r.Findings, func(f Finding) (string, bool) { return f.String(), f.Unchecked }))
	section(&b, "does not count", append(
		lines(r.Differences, func(d Difference) (string, bool) {
			return d.String() + " (" + d.Because + ")", d.Because != ""
		}),
		lines(r.Findings, func(f Finding) (string, bool) { return f.String() + " (" + f.Because + ")", f.Because != "" })...))
	gained := 0
	for _, d := range r.Differences {
		if d.Because == unnoticed {
			gained++
		}
	}
	fmt.Fprintf(&b, "\n%s; checked %s and %s, %s\n", r.verdict(), plural(r.Families, "1 family", "%d families"),
		plural(r.Queries, "1 query", "%d queries"), plural(gained, "1 addition", "%d additions"))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) verdict() string {
	found := "no difference that counts"
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

// String returns the finding in a few lines: place, text, selector, query, examples.
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

// boundary matches the label le in a series.
var boundary = regexp.MustCompile(`([{,])le="[^"]*"`)

// examples returns the first series of a list and the number of the others. The
// buckets of one histogram take one line.
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
			text += fmt.Sprintf(" and %d more buckets", n-1)
		}
	}
	if left > 0 {
		text += fmt.Sprintf("\n%sand %d more", sign, left)
	}
	return text
}
