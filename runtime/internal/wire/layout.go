package wire

import "strconv"

// Layout is what a value consists of, for protocols whose bodies are not JSON. One of Scalar, Elem
// and Fields is set. If none is, the value has no fixed layout: a map, an interface, a file, or a
// type that writes its own JSON.
type Layout struct {
	Scalar string  // bool, int8 to uint64, float32, float64, string or bytes
	Elem   *Layout // of a list
	Length int     // of an array; 0: any
	Fields []LayoutField
	Whole  bool // the body is the text or the bytes, and not JSON
	Null   bool // it may be null
}

// LayoutField is a field of an object.
type LayoutField struct {
	Name     string
	Required bool // of a result: it is always there
	*Layout
}

// Layout returns the layout of the values of s.
func (s *Schema) Layout() *Layout {
	layout := s.node.layout(map[*node]bool{})
	layout.Whole = s.text || s.bytes || !s.input && s.node.kind == kindString && !s.node.nullable
	return layout
}

func (n *node) layout(open map[*node]bool) *Layout {
	if open[n] { // a type that contains itself
		return &Layout{}
	}
	open[n] = true
	defer delete(open, n)
	layout := n.content(open)
	layout.Null = n.nullable
	return layout
}

func (n *node) content(open map[*node]bool) *Layout {
	switch n.kind {
	case kindBool:
		return &Layout{Scalar: "bool"}
	case kindString:
		return &Layout{Scalar: "string"}
	case kindFloat:
		return &Layout{Scalar: "float" + strconv.Itoa(n.bits)}
	case kindInteger:
		return &Layout{Scalar: n.integerName()}
	case kindList:
		return &Layout{Elem: n.elem.layout(open), Length: n.length}
	case kindObject:
		object := &Layout{Fields: []LayoutField{}}
		for _, one := range n.fields {
			object.Fields = append(object.Fields, LayoutField{one.name, one.required, one.node.layout(open)})
		}
		return object
	case kindAny:
		switch n.format {
		case "date-time", "text":
			return &Layout{Scalar: "string"}
		case "base64", rawBytes:
			return &Layout{Scalar: "bytes"}
		}
	}
	return &Layout{}
}

// integerName returns the Go type that has the bounds of n.
func (n *node) integerName() string {
	for _, bits := range []int{8, 16, 32} {
		if n.high.compare(signed(1<<(bits-1)-1)) <= 0 {
			return "int" + strconv.Itoa(bits)
		}
		if !n.low.negative && n.high.compare(signed(1<<bits-1)) <= 0 {
			return "uint" + strconv.Itoa(bits)
		}
	}
	if n.low.negative {
		return "int64"
	}
	return "uint64"
}
