package config

import (
	"fmt"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// placed is one value of a source, with its place.
type placed struct {
	key   *key
	path  []string
	value any // nil: given as null
	where Place
}

// checker compares a tree with the known keys, and collects values and
// problems.
type checker struct {
	values   []placed
	problems []error
}

func (c *checker) fail(where tree.Place, path []string, text string) {
	c.problems = append(c.problems, &Problem{Where: Place(where), Key: strings.Join(path, "."), Text: text})
}

// section collects the values below k. An unknown key is a problem, and its siblings
// are still checked.
func (c *checker) section(k *key, path []string, n *tree.Node) {
	switch n.Kind {
	case tree.Null: // "metrics:" with everything below it commented out
		return
	case tree.Map:
	default:
		c.fail(n.Where, path, "must be a mapping of keys to values, found "+describe(k, n))
		return
	}
	for _, e := range n.Entries {
		at := append(path[:len(path):len(path)], e.Key) // the capacity makes append copy: placed keeps at
		below := k.find(e.Key)
		if below == nil {
			c.fail(e.Where, at, k.unknown(e.Key).below(path).String())
			continue
		}
		c.each(e, func(n *tree.Node) { c.any(below, at, n) })
	}
}

func (c *checker) any(k *key, path []string, n *tree.Node) {
	switch {
	case k.isValue():
		c.value(k, path, n)
	case k.kind == table:
		c.table(k, path, n)
	default:
		c.section(k, path, n)
	}
}

// each calls check for the value of a key, and before for the values that this one
// replaces. Only the problems of those are kept.
func (c *checker) each(e tree.Entry, check func(*tree.Node)) {
	before := len(c.values)
	for _, n := range e.Earlier {
		check(n)
	}
	c.values = c.values[:before]
	check(e.Value)
}

// table collects the values of a mapping from names to values or sections. Null
// removes all entries of earlier sources.
func (c *checker) table(k *key, path []string, n *tree.Node) {
	switch n.Kind {
	case tree.Null:
		c.values = append(c.values, placed{key: k, path: path, where: Place(n.Where)})
		return
	case tree.Map:
	default:
		of := "its settings"
		if k.each.isValue() {
			of = "its value"
		}
		c.fail(n.Where, path, fmt.Sprintf("must be a mapping of each %s to %s, found %s", strings.ToLower(k.each.name), of, describe(k, n)))
		return
	}
	for _, e := range n.Entries {
		at := append(path[:len(path):len(path)], e.Key)
		before := len(c.values)
		c.each(e, func(n *tree.Node) { c.any(k.each, at, n) })
		if len(c.values) == before && !k.each.isValue() { // the name of an entry without settings is checked too
			c.values = append(c.values, placed{key: k.each, path: at, value: map[string]any{}, where: Place(e.Where)})
		}
	}
}

// value collects one value. Null means "not given": it removes the value of an earlier
// source if the key is optional, and is ignored otherwise.
func (c *checker) value(k *key, path []string, n *tree.Node) {
	if n.Kind == tree.Null {
		if k.optional {
			c.values = append(c.values, placed{key: k, path: path, where: Place(n.Where)})
		}
		return
	}
	v, err := k.value(n)
	if err != nil {
		c.fail(n.Where, path, err.Error())
		return
	}
	c.values = append(c.values, placed{key: k, path: path, value: v, where: Place(n.Where)})
}

// describe says what was found. It does not print a value that may be a secret.
func describe(k *key, n *tree.Node) string {
	secrets := false
	k.walk(func(below *key) { secrets = secrets || below.kind == secret || below.kind == address })
	if secrets && n.Kind == tree.Scalar {
		return "a single value"
	}
	return n.Describe()
}
