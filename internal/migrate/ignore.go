package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const ignored = "ignored, as was asked for"

// pattern is what [Ignore] takes.
var pattern = regexp.MustCompile(`^(?:[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[a-zA-Z_][a-zA-Z0-9_]*\})?|\{[a-zA-Z_][a-zA-Z0-9_]*\})$`)

// CheckIgnored says of a pattern that is none what would be one. A pattern that
// is empty would ignore everything.
func CheckIgnored(p string) error {
	if !pattern.MatchString(p) {
		return fmt.Errorf("must be FAMILY, FAMILY{LABEL} or {LABEL}, found %q", p)
	}
	return nil
}

// Ignore marks the differences that a pattern names: FAMILY, FAMILY{LABEL} or
// {LABEL}. It returns how many.
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

// patterns are those of [Options.Ignore], as queries see them: a family has no
// series, and a label is on none.
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

// judge asks a selector twice: of the pages as they are, and of what the patterns
// leave of them. What counts in the first way only is there to be read. The second
// way selects more than the query does, so that it decides and is not shown.
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
	for i, pattern := range c.ignored { // it does alone, or the others do not without it
		if !counts(c.ignoring(patterns{pattern}, look)) || counts(c.ignoring(c.ignored.without(i), look)) {
			c.used[pattern] = true
		}
	}
}

// remaining marks what is found and not left as ignored. Of the series of the
// others, it keeps those that are left, if there are any.
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
