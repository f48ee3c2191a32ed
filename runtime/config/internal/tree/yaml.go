package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a configuration. They bound the cost of a hostile file, and are far
// above the size of real files.
const (
	MaxSize   = 1 << 20 // bytes
	maxValues = 20_000  // with aliases expanded
	maxDepth  = 64
	maxKey    = 256 // bytes
)

// Document is a parsed file.
type Document struct {
	Root *Node // a Map
	// Duplicates are the keys written twice. Root has the last of each.
	Duplicates []*Problem
	// Empty reports whether the document has only comments, or null.
	Empty bool
}

// ReadText reads a file of at most [MaxSize] bytes.
func ReadText(name string) (string, error) {
	data, err := readFile(name)
	return string(data), err
}

// ReadFile reads and parses a file. A file that is missing, a directory, empty,
// too large, binary or not a YAML mapping is an error.
func ReadFile(name string) (*Document, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// ErrUnreadable is the cause of each [Problem] with a file that cannot be read.
var ErrUnreadable = errors.New("cannot be read")

func readFile(name string) ([]byte, error) {
	unreadable := func(text string) ([]byte, error) {
		return nil, &Problem{Where: Place{Name: name}, Text: text, Cause: ErrUnreadable}
	}
	info, err := os.Stat(name) // before Open, which would wait for the writer of a pipe
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unreadable("no such file")
	case err != nil:
		return unreadable(plain(err))
	case info.IsDir():
		return unreadable("must be a file, found a directory")
	case info.Mode()&fs.ModeNamedPipe != 0:
		return unreadable("must be a regular file, found a pipe")
	case !info.Mode().IsRegular():
		return unreadable("must be a regular file, found a device or socket")
	}
	f, err := os.Open(name)
	if err != nil {
		return unreadable(plain(err))
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return unreadable(plain(err))
	case len(data) > MaxSize:
		return nil, &Problem{Where: Place{Name: name}, Text: fmt.Sprintf("must be at most %d bytes, found %d", MaxSize, info.Size())}
	}
	return data, nil
}

// plain returns the message of an I/O error without the file name, which the place
// has.
func plain(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// Parse reads YAML. name is the place of the values. Plain scalars are resolved
// as in YAML 1.2: "yes" is a string. See [Node.AsPyYAML].
func Parse(name string, data []byte) (doc *Document, err error) {
	fail := func(line int, text string) (*Document, error) {
		return nil, &Problem{Where: Place{Name: name, Line: line}, Text: text}
	}
	if i := unreadable(data); i >= 0 {
		return fail(1+bytes.Count(data[:i], []byte("\n")), fmt.Sprintf("must be UTF-8 text, found the byte 0x%02x", data[i]))
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return fail(0, "is empty, which may be a write that failed; a file that is to have no keys must have a comment")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return &Document{Empty: true, Root: &Node{Kind: Map, Where: Place{Name: name, Line: 1}}}, nil // comments only
	} else if err != nil {
		line, text := syntax(data, err)
		return fail(line, text)
	}
	if err := decoder.Decode(&second); err == nil {
		return fail(second.Line, "must be one YAML document, found a second one")
	} else if !errors.Is(err, io.EOF) {
		line, text := syntax(data, err)
		return fail(line, text)
	}
	p := &parser{name: name, doc: &Document{}, open: map[*yaml.Node]bool{}}
	p.doc.Root = p.node("", root.Content[0], 0)
	if p.err != nil {
		return nil, p.err
	}
	if p.doc.Root.Kind == Null {
		p.doc.Root.Kind, p.doc.Empty = Map, true
	}
	if p.doc.Root.Kind != Map {
		return fail(root.Content[0].Line, "must be a mapping of keys to values, found "+p.doc.Root.Describe())
	}
	return p.doc, nil
}

// unreadable returns the index of the first byte that YAML does not allow, or
// -1.
func unreadable(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

var (
	syntaxLine = regexp.MustCompile(`line (\d+): `)
	tabbed     = regexp.MustCompile(`(?m)^ *\t+ *[^\s#]`)
)

// syntax returns the line and text of a syntax error. A tab in the indentation,
// the most common cause, has a text of its own.
func syntax(data []byte, err error) (int, string) {
	if at := tabbed.FindIndex(data); at != nil {
		return 1 + bytes.Count(data[:at[0]], []byte("\n")), "a tab in the indentation; YAML is indented with spaces"
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(text, "unknown anchor") { // the name may be part of a password
		text = "unknown anchor; a string that begins with * must be in quotes"
	}
	line := 0
	if found := syntaxLine.FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1])
		text = strings.Replace(text, found[0], "", 1)
	}
	return line, "cannot be read as YAML: " + text
}

type parser struct {
	name   string
	doc    *Document
	values int
	open   map[*yaml.Node]bool // the nodes above, to find an alias inside its own anchor
	err    error
}

func (p *parser) place(n *yaml.Node) Place { return Place{Name: p.name, Line: n.Line} }

func (p *parser) fail(n *yaml.Node, key, text string) *Node {
	if p.err == nil {
		p.err = &Problem{Where: p.place(n), Key: key, Text: text}
	}
	return &Node{}
}

func (p *parser) node(key string, n *yaml.Node, depth int) *Node {
	if p.err != nil {
		return &Node{}
	}
	if p.values++; p.values > maxValues {
		return p.fail(n, key, fmt.Sprintf("must be at most %d values, with aliases expanded", maxValues))
	}
	if depth > maxDepth {
		return p.fail(n, key, fmt.Sprintf("must be at most %d levels deep", maxDepth))
	}
	if n.Kind == yaml.AliasNode {
		return p.alias(key, n, depth)
	}
	p.open[n] = true
	defer delete(p.open, n)
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode && tag != "!!map" && tag != "!!seq" {
		return p.fail(n, key, tagged)
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := &Node{Kind: Map, Where: p.place(n)}
		p.entries(m, key, n, depth)
		return m
	case yaml.SequenceNode:
		l := &Node{Kind: List, Where: p.place(n)}
		for i, item := range n.Content {
			l.Items = append(l.Items, p.node(key+"["+strconv.Itoa(i)+"]", item, depth+1))
		}
		return l
	}
	return p.scalar(key, n)
}

// alias reads *name. Errors name the place of the alias, not of its anchor.
func (p *parser) alias(key string, n *yaml.Node, depth int) *Node {
	if p.open[n.Alias] {
		return p.fail(n, key, fmt.Sprintf("the alias *%s is inside its own anchor", n.Value))
	}
	return p.node(key, n.Alias, depth+1)
}

func (p *parser) entries(m *Node, key string, n *yaml.Node, depth int) {
	seen := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			p.fail(k, key, "a key must be a string, found a list or a mapping")
			return
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, v)
			continue
		}
		if len(k.Value) > maxKey {
			p.fail(k, key, fmt.Sprintf("a key must be at most %d bytes, found %d", maxKey, len(k.Value)))
			return
		}
		path := join(key, k.Value)
		if at := unreadable([]byte(k.Value)); at >= 0 || strings.ContainsAny(k.Value, "\n\r\t") {
			p.fail(k, path, "a key must be plain text, found control characters")
			return
		}
		value := p.node(path, v, depth+1)
		entry := Entry{Key: k.Value, Quoted: quoted(k), Where: p.place(k), Value: value}
		if first, twice := seen[k.Value]; twice {
			p.doc.Duplicates = append(p.doc.Duplicates, &Problem{Where: p.place(k), Key: path, Text: fmt.Sprintf("written twice, first in line %d", m.Entries[first].Where.Line)})
			m.Entries[first].Earlier = append(m.Entries[first].Earlier, m.Entries[first].Value)
			m.Entries[first].Value = value
			continue
		}
		seen[k.Value] = len(m.Entries)
		m.Entries = append(m.Entries, entry)
	}
	for _, v := range merged {
		p.merge(m, key, v, depth)
	}
}

// merge reads "<<". Keys that the mapping has itself stay.
func (p *parser) merge(m *Node, key string, v *yaml.Node, depth int) {
	from := p.node(key, v, depth+1)
	maps := []*Node{from}
	if from.Kind == List {
		maps = from.Items
	}
	for _, below := range maps {
		if below.Kind != Map && p.err == nil {
			p.fail(v, key, "<< must name a mapping or a list of mappings, found "+below.Describe())
		}
		for _, e := range below.Entries {
			if m.Get(e.Key) == nil {
				m.Entries = append(m.Entries, e)
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (p *parser) scalar(key string, n *yaml.Node) *Node {
	s := &Node{Kind: Scalar, Where: p.place(n), Text: n.Value, Value: n.Value, Quoted: quoted(n)}
	switch n.ShortTag() {
	case "!!null":
		s.Kind = Null
	case "!!bool":
		s.Value = strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		s.Value, s.Old = number(n), oldNumber.MatchString(n.Value)
		if s.Value == nil {
			return p.fail(n, key, fmt.Sprintf("must be a number that fits into 64 bits, found %s", shorten(n.Value)))
		}
	case "!!str", "!!timestamp":
	default:
		return p.fail(n, key, tagged)
	}
	return s
}

const tagged = "tags have no meaning here; a string that begins with ! must be in quotes"

func quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// oldNumber matches numbers of YAML 1.1: octal, binary, and with underscores.
var oldNumber = regexp.MustCompile(`^[-+]?(?:0[0-9_]+$|0b)|_`)

// number returns an int64 or float64, or nil.
func number(n *yaml.Node) any {
	var i int64
	if n.ShortTag() == "!!int" && n.Decode(&i) == nil {
		return i
	}
	var f float64
	if err := n.Decode(&f); err != nil {
		return nil
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 && n.ShortTag() == "!!int" {
		return int64(f)
	}
	return f
}
