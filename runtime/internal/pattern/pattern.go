// Package pattern parses and matches routes with wildcards, such as /models/{name}. It
// does not depend on handlers.
package pattern

import (
	"fmt"
	"go/token"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern is a route, split into segments.
type Pattern []segment

type segment struct {
	text string // the name of a wildcard, or the literal segment
	wild bool
}

// Parse reads a route that a user declared. Its errors say what is wrong with it.
func Parse(route string) (Pattern, error) {
	if !strings.HasPrefix(route, "/") || route != path.Clean(route) || !utf8.ValidString(route) || strings.ContainsAny(route, "%?#*") ||
		strings.ContainsFunc(route, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil, fmt.Errorf(`route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%%", "?", "#" or "*", found %q`, route)
	}
	var p Pattern
	for part := range strings.SplitSeq(route[1:], "/") {
		name, wild := strings.CutPrefix(part, "{")
		if wild {
			name, wild = strings.CutSuffix(name, "}")
		}
		switch {
		case !wild && strings.ContainsAny(part, "{}"), wild && !token.IsIdentifier(name):
			return nil, fmt.Errorf("route %q: a wildcard must be a whole segment such as {name}, named as a Go identifier, found %q", route, part)
		case strings.HasPrefix(part, ":") && part != ":", strings.ContainsAny(part, "<>"):
			return nil, fmt.Errorf("route %q: a wildcard is a segment such as {%s}, found %q", route, nameIn(part), part)
		case wild && slices.Contains(p.Names(), name):
			return nil, fmt.Errorf("route %q: the wildcard {%s} must occur only once", route, name)
		case wild:
			p = append(p, segment{name, true})
		default:
			p = append(p, segment{part, false})
		}
	}
	return p, nil
}

// nameIn returns the name in a wildcard of another framework, such as :id or <int:id>.
func nameIn(part string) string {
	name := strings.Trim(part[strings.LastIndex(part, ":")+1:], "<>")
	if !token.IsIdentifier(name) {
		return "name"
	}
	return name
}

// Exact reports whether p has no wildcard.
func (p Pattern) Exact() bool {
	return !slices.ContainsFunc(p, func(s segment) bool { return s.wild })
}

// Names returns the names of the wildcards.
func (p Pattern) Names() (names []string) {
	for _, s := range p {
		if s.wild {
			names = append(names, s.text)
		}
	}
	return names
}

// Match returns the segments of a path that the wildcards match. A wildcard never
// matches an empty segment.
func (p Pattern) Match(path string) (values []string, ok bool) {
	for i, s := range p {
		rest, ok := strings.CutPrefix(path, "/")
		if !ok {
			return nil, false
		}
		part := rest
		if end := strings.IndexByte(rest, '/'); end >= 0 && i < len(p)-1 {
			part = rest[:end]
		}
		path = rest[len(part):]
		switch {
		case s.wild && !legalValue(part), !s.wild && part != s.text:
			return nil, false
		case s.wild:
			values = append(values, part)
		}
	}
	return values, path == ""
}

// SameShape reports whether two patterns match the same paths.
func (p Pattern) SameShape(other Pattern) bool {
	return len(p) > 0 && slices.EqualFunc(p, other, func(a, b segment) bool { return a.wild && b.wild || a == b })
}

// Compare sorts the more specific pattern first. Where one pattern first has a
// literal and the other a wildcard, the literal is more specific.
func (p Pattern) Compare(other Pattern) int {
	return slices.CompareFunc(p, other, func(a, b segment) int {
		switch {
		case a.wild == b.wild:
			return 0
		case b.wild:
			return -1
		}
		return 1
	})
}

// legalValue reports whether a wildcard may match a segment. "." and ".." must not
// reach the function, which may build a file path from the value.
func legalValue(part string) bool {
	return part != "" && part != "." && part != ".." && utf8.ValidString(part) && !strings.ContainsAny(part, "/\x00")
}
