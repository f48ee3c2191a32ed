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
// leave of them. What counts in the first way only is there to be read.
func (c *checker) judge(look func(*checker)) {
	found := c.ignoring(nil, look)
	left := c.ignoring(c.ignored, look)
	switch {
	case !counts(found):
		c.found = append(c.found, found...)
		return
	case counts(left):
		c.found = append(c.found, left...)
		return
	}
	for _, f := range found {
		if f.Because == "" {
			f.Because = ignored
		}
		c.found = append(c.found, f)
	}
	for i, pattern := range c.ignored { // it does alone, or the others do not without it
		if !counts(c.ignoring(patterns{pattern}, look)) || counts(c.ignoring(c.ignored.without(i), look)) {
			c.used[pattern] = true
		}
	}
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
