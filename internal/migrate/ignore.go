package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const ignored = "ignored by --ignore"

// pattern is the form of the patterns of [Ignore].
var pattern = regexp.MustCompile(`^(?:[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[a-zA-Z_][a-zA-Z0-9_]*\})?|\{[a-zA-Z_][a-zA-Z0-9_]*\})$`)

// CheckIgnored returns an error for a malformed pattern. An empty pattern is one: it
// would ignore everything.
func CheckIgnored(p string) error {
	if !pattern.MatchString(p) {
		return fmt.Errorf("must be FAMILY, FAMILY{LABEL} or {LABEL}, found %q", p)
	}
	return nil
}

// Ignore marks the differences that a pattern names: FAMILY, FAMILY{LABEL} or
// {LABEL}. It returns their number.
func Ignore(differences []Difference, pattern string) int {
	family, label, labelled := cut(pattern)
	n := 0
	for i := range differences {
		d := &differences[i]
		if (family == "" || d.Family == family) && (!labelled || d.Label == label) {
			n++
			if d.Because == "" {
				d.Because = ignored
			}
		}
	}
	return n
}

func cut(pattern string) (family, label string, labelled bool) {
	return strings.Cut(strings.TrimSuffix(pattern, "}"), "{")
}

// patterns are those of [Options.Ignore]. For a query, an ignored family has no
// series, and no series has an ignored label.
type patterns []string

func (p patterns) family(name string) bool {
	return slices.Contains(p, name)
}

func (p patterns) label(family, name string) bool {
	return slices.Contains(p, "{"+name+"}") || slices.Contains(p, family+"{"+name+"}")
}

func (p patterns) without(i int) patterns {
	return slices.Delete(slices.Clone(p), i, i+1)
}

// judge checks a selector twice: with all series and labels, and without the ignored
// ones. A finding counts only if both checks find one. The second check can select
// more series than the query does, so its finding is not shown.
func (c *checker) judge(look func(*checker)) {
	found := c.ignoring(nil, look)
	left := c.ignoring(c.ignored, look)
	switch {
	case !counts(found):
		c.found = append(c.found, found...)
		return
	case counts(left):
		c.found = append(c.found, remaining(found, left)...)
		return
	}
	c.found = append(c.found, remaining(found, nil)...)
	for i, pattern := range c.ignored { // this pattern alone is enough, or the others are not enough without it
		if !counts(c.ignoring(patterns{pattern}, look)) || counts(c.ignoring(c.ignored.without(i), look)) {
			c.used[pattern] = true
		}
	}
}

// remaining marks the findings that are not in left as ignored. Of the series of the
// other findings it keeps those in left, if there are any.
func remaining(found, left []Finding) []Finding {
	is := func(f Finding) func(Finding) bool {
		return func(l Finding) bool { return l.about == f.about && l.counts() }
	}
	all := len(left) > 0 && !slices.ContainsFunc(found, func(f Finding) bool { return f.counts() && slices.ContainsFunc(left, is(f)) })
	for i := range found {
		f := &found[i]
		at := slices.IndexFunc(left, is(*f))
		switch {
		case f.Because != "" || all:
		case at < 0:
			f.Because = ignored
		default:
			lost, gained := common(f.Lost, left[at].Lost), common(f.Gained, left[at].Gained)
			if len(lost)+len(gained) > 0 {
				f.Lost, f.Gained = lost, gained
			}
		}
	}
	return found
}

func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func counts(found []Finding) bool {
	return slices.ContainsFunc(found, Finding.counts)
}

func (c *checker) ignoring(p patterns, look func(*checker)) []Finding {
	one := *c
	one.ignored, one.found = p, nil
	look(&one)
	return one.found
}
