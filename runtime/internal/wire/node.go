package wire

import "reflect"

type kind int

const (
	kindAny kind = iota // the Go type decides
	kindObject
	kindDict
	kindList
	kindString
	kindInteger
	kindFloat
	kindBool
	kindFile // see Attachment
)

// node describes a Go type: which JSON it accepts and which JSON it writes.
type node struct {
	kind      kind
	name      string // of a struct
	format    string // of a kindAny: "date-time", "base64", "text"
	nullable  bool
	fields    []*field
	byName    map[string]*field
	elem      *node
	key       *node        // of a dict whose keys are integers
	anyKey    bool         // of a dict whose keys are any string
	own       reflect.Type // of a kindAny: decides which JSON it accepts; nil: all JSON
	quoted    *node        // of a kindAny that is a number in a string: the number
	length    int          // of an array; 0: a slice
	plain     bool         // of an integer: it is an int, published as BentoML's int
	low, high integer      // bounds of an integer type
	bits      int          // of a float
	published string       // the pattern of a kindAny that is a string
	rules     rules

	attachment *Attachment // of a kindFile
	accept     string      // of a kindFile: the media type that it must have; "": any
}

// field is a parameter, or a field of a nested struct.
type field struct {
	index    int
	name     string
	goName   string
	doc      string
	node     *node
	required bool
	fallback any // the default, as a tree; nil: null, or no default
	hasValue bool
	example  any // the tag example, as a tree; nil: none
}
