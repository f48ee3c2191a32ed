package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// node is a value of a JSON or YAML document. A nil node is an absent value or
// null: its methods return empty results.
type node struct {
	fields map[string]*node // of an object
	items  []*node          // of a list
	text   string           // of a string, a number or a boolean
	line   int              // in a YAML file, else 0
}

func (n *node) get(path ...string) *node {
	for _, name := range path {
		if n == nil {
			return nil
		}
		n = n.fields[name]
	}
	return n
}

func (n *node) str(path ...string) string {
	if n = n.get(path...); n == nil {
		return ""
	}
	return n.text
}

func (n *node) list(path ...string) []*node {
	if n = n.get(path...); n == nil {
		return nil
	}
	return n.items
}

// texts returns the strings of a list, or the string n.
func (n *node) texts() []string {
	var all []string
	for _, one := range append([]*node{n}, n.list()...) {
		if text := one.str(); text != "" {
			all = append(all, text)
		}
	}
	return all
}

func (n *node) keys() []string {
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.fields))
}

// plain decodes UTF-8 and UTF-16 with a byte order mark, as Windows tools write
// them. Other content is returned as it is.
func plain(content []byte) []byte {
	if decoded, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), content); err == nil {
		return decoded
	}
	return content
}

// decode reads all JSON or YAML documents of a file.
func decode(content []byte) ([]*node, error) {
	content = plain(content)
	trimmed := bytes.TrimSpace(content)
	if !bytes.HasPrefix(trimmed, []byte("{")) && !bytes.HasPrefix(trimmed, []byte("[")) {
		return decodeYAML(content)
	}
	nodes, err := decodeJSON(content)
	if err != nil { // YAML too has lists and objects in brackets
		if nodes, yamlErr := decodeYAML(content); yamlErr == nil {
			return nodes, nil
		}
	}
	return nodes, err
}

func decodeJSON(content []byte) ([]*node, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var all []*node
	for {
		var v any
		switch err := decoder.Decode(&v); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("must be JSON: %w", err)
		}
		all = append(all, ofJSON(v))
	}
}

func ofJSON(v any) *node {
	n := &node{}
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		n.fields = map[string]*node{}
		for name, field := range v {
			n.fields[name] = ofJSON(field)
		}
	case []any:
		for _, item := range v {
			n.items = append(n.items, ofJSON(item))
		}
	default:
		n.text = fmt.Sprint(v)
	}
	return n
}

func decodeYAML(content []byte) ([]*node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var all []*node
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("must be YAML: %w", err)
		}
		var whole any
		if err := document.Decode(&whole); err != nil { // also refuses aliases without end
			return nil, fmt.Errorf("must be YAML: %w", err)
		}
		all = append(all, ofYAML(&document))
	}
}

func ofYAML(y *yaml.Node) *node {
	n := &node{line: y.Line}
	switch y.Kind {
	case yaml.DocumentNode:
		return ofYAML(y.Content[0])
	case yaml.AliasNode:
		n = ofYAML(y.Alias)
		if n != nil {
			n.line = y.Line
		}
	case yaml.MappingNode:
		n.fields = map[string]*node{}
		for i := 0; i+1 < len(y.Content); i += 2 {
			if key, value := y.Content[i], ofYAML(y.Content[i+1]); key.Tag == "!!merge" {
				n.merge(value)
			} else {
				n.fields[key.Value] = value
			}
		}
	case yaml.SequenceNode:
		for _, item := range y.Content {
			n.items = append(n.items, ofYAML(item))
		}
	default:
		if n.text = y.Value; y.Tag == "!!null" {
			return nil
		}
	}
	return n
}

// merge adds the fields of a YAML merge key (<<) that n does not have.
func (n *node) merge(from *node) {
	for _, one := range append([]*node{from}, from.list()...) {
		for _, name := range one.keys() {
			if _, own := n.fields[name]; !own {
				n.fields[name] = one.fields[name]
			}
		}
	}
}
