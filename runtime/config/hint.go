package config

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// hint says which keys may be meant by an unknown one.
type hint struct {
	near  []string // names below the same key
	paths []string // dotted keys elsewhere
	known []string // names below the same key, if nothing is near
}

// unknown returns the hint for a name that k does not have below it.
func (k *key) unknown(name string) hint {
	const far = 3 // edits; a suggestion that differs in more would be a guess
	if best, distance := k.nearest(name); distance < far && distance < len(best) {
		return hint{near: []string{best}}
	}
	if begun := k.begun(name); len(begun) > 0 {
		return hint{near: begun}
	}
	if elsewhere := paths(name); len(elsewhere) > 0 {
		return hint{paths: elsewhere}
	}
	var h hint
	for _, b := range k.below {
		h.known = append(h.known, b.name)
	}
	slices.Sort(h.known)
	return h
}

// nearest returns the name below k that differs least from name, and the number of
// edits between them.
func (k *key) nearest(name string) (best string, distance int) {
	distance = math.MaxInt
	for _, b := range k.below {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), b.name); d < distance {
			best, distance = b.name, d
		}
	}
	return best, distance
}

// misspelt reports whether name can hardly be anything but a misspelt key below k. A
// short key differs too little from the keys of other programs, as app from api, and so
// does one with or without an s at its end.
func (k *key) misspelt(name string) bool {
	const short = 4 // characters
	best, distance := k.nearest(name)
	if strings.TrimSuffix(name, "s") == strings.TrimSuffix(best, "s") { // https and service are words of their own
		return false
	}
	return len(best) >= short && distance <= max(1, len(best)/3)
}

// below writes the suggestions with the levels of the path above them.
func (h hint) below(above []string) hint {
	if len(above) > 0 {
		near := make([]string, len(h.near))
		for i, name := range h.near {
			near[i] = strings.Join(above, ".") + "." + name
		}
		h.near = near
	}
	return h
}

// String returns the text of the problem.
func (h hint) String() string {
	if meant := slices.Concat(h.near, h.paths); len(meant) > 0 {
		return "unknown key; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return "unknown key; known here: " + strings.Join(h.known, ", ")
}

// asVariables returns the hint with its keys spelled as variables. above is
// the path of the key that near and known are below, rest has the levels below the
// unknown one.
func (h hint) asVariables(above, rest []string) hint {
	var meant []string
	for _, name := range h.near {
		meant = append(meant, variableOf(strings.Join(slices.Concat(above, []string{name}, rest), ".")))
	}
	for _, path := range h.paths {
		meant = append(meant, variableOf(path))
	}
	return hint{near: meant, known: h.known}
}

// begun lists the keys below k that begin with name.
func (k *key) begun(name string) []string {
	const few = 3 // characters: too many keys begin with fewer
	var found []string
	for _, b := range k.below {
		if len(name) >= few && strings.HasPrefix(b.name, strings.ToLower(name)) {
			found = append(found, b.name)
		}
	}
	return found
}

// paths lists the dotted keys that end with name, in any section.
func paths(name string) []string {
	found := map[string]bool{}
	var visit func(*key)
	visit = func(k *key) {
		if k.path != "" && k.name == name && !strings.Contains(k.path, "NAME") && !strings.Contains(k.path, "ROUTE") {
			found[k.path] = true
		}
		for _, b := range k.below {
			visit(b)
		}
	}
	visit(root())
	return slices.Sorted(maps.Keys(found))
}
