// Package tree reads YAML into values that know their places, so that errors
// can name them.
package tree

import (
	"strconv"
	"strings"
)

// Kind is the kind of a [Node].
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// Node is one value of a document.
type Node struct {
	Kind  Kind
	Where Place
	// Value is the value of a Scalar: a string, bool, int64 or float64.
	Value any
	// Text is a Scalar as it was written. Quoted reports whether it was in quotes.
	Text   string
	Quoted bool
	// Old reports whether a Scalar is a number in a form that only YAML 1.1 has or that
	// YAML 1.2 reads otherwise: 010, 1_0, 0b1.
	Old bool
	// Items are those of a List, Entries those of a Map, in the order of the file.
	Items   []*Node
	Entries []Entry
}

// Entry is one key of a Map.
type Entry struct {
	Key    string
	Quoted bool // the key was in quotes
	Where  Place
	Value  *Node
	// Earlier are the values of a key that is written more than once, but the last.
	Earlier []*Node
}

// Place is a file and a line, or a variable or flag without a line.
type Place struct {
	Name string
	Line int
}

// String returns "config.yaml:12" or "EKIBEN_HTTP__PORT".
func (p Place) String() string {
	if p.Line == 0 {
		return p.Name
	}
	return p.Name + ":" + strconv.Itoa(p.Line)
}

// Problem is one error in a configuration.
type Problem struct {
	// Where is the place of the value. Zero: not known.
	Where Place
	// Key is the dotted key. "": the whole file.
	Key string
	// Text says what would be right and what was found.
	Text string
	// Cause is for errors.Is. Error does not print it. It may be nil.
	Cause error
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Error returns place, key and text on one line.
func (p *Problem) Error() string {
	var b strings.Builder
	for _, part := range []string{p.Where.String(), p.Key} {
		if part != "" {
			b.WriteString(oneLine(part))
			b.WriteString(": ")
		}
	}
	b.WriteString(oneLine(p.Text))
	return b.String()
}

// oneLine replaces control characters, so that a file cannot add lines to an error.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Get returns the value of a key of a Map, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// At returns the value at a path of keys, or nil.
func (n *Node) At(path []string) *Node {
	for _, key := range path {
		n = n.Get(key)
	}
	return n
}

// Place returns the place of a key of a Map, or the zero Place.
func (n *Node) Place(key string) Place {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Where
		}
	}
	return Place{}
}

// Keys returns the keys of a Map in order. Nil has none.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	keys := make([]string, 0, len(n.Entries))
	for _, e := range n.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

// Put sets the value at a path of keys. It creates missing Maps and replaces an
// old value.
func (n *Node) Put(path []string, value *Node) {
	for i := range n.Entries {
		if n.Entries[i].Key != path[0] {
			continue
		}
		if len(path) == 1 || n.Entries[i].Value.Kind != Map {
			n.Entries[i].Value, n.Entries[i].Where = value.under(path[1:]), value.Where
			return
		}
		n.Entries[i].Value.Put(path[1:], value)
		return
	}
	n.Entries = append(n.Entries, Entry{Key: path[0], Where: value.Where, Value: value.under(path[1:])})
}

// under returns n inside a Map for each key of path.
func (n *Node) under(path []string) *Node {
	if len(path) == 0 {
		return n
	}
	m := &Node{Kind: Map, Where: n.Where}
	m.Put(path, n)
	return m
}

// Merge returns n with the values of over. Maps are merged, other values are
// replaced. Neither argument is modified.
func (n *Node) Merge(over *Node) *Node {
	if n == nil || over == nil || n.Kind != Map || over.Kind != Map {
		if over == nil {
			return n
		}
		return over
	}
	merged := &Node{Kind: Map, Where: over.Where}
	for _, e := range n.Entries {
		if o := over.Get(e.Key); o != nil {
			e.Value = e.Value.Merge(o)
			e.Where = over.where(e.Key)
		}
		merged.Entries = append(merged.Entries, e)
	}
	for _, e := range over.Entries {
		if n.Get(e.Key) == nil {
			merged.Entries = append(merged.Entries, e)
		}
	}
	return merged
}

func (n *Node) where(key string) Place {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Where
		}
	}
	return n.Where
}

// Describe returns n for an error: 3, "x", a list.
func (n *Node) Describe() string {
	switch n.Kind {
	case Null:
		return "nothing"
	case List:
		return "a list"
	case Map:
		return "a mapping"
	}
	if text, ok := n.Value.(string); ok {
		return strconv.Quote(shorten(text))
	}
	return shorten(n.Text)
}

func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
