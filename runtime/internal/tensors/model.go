package tensors

import (
	"errors"
	"fmt"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// Column is an input or an output of a model.
type Column struct {
	Name     string
	Datatype string

	dims     []int64 // -1: any; none: a scalar
	required bool
	encoded  bool // elements are bytes, base64 in JSON
}

// Shape returns the shape of a column. -1 is any number. A scalar has the shape [1].
func (c *Column) Shape() []int64 {
	if len(c.dims) == 0 {
		return []int64{1}
	}
	return c.dims
}

// Model is an API as a function of tensors.
type Model struct {
	Inputs, Outputs []Column

	in, out form
}

// form says how columns are placed in the JSON of a body.
type form struct {
	items  string // the parameter that holds rows; "": the body holds what the columns are of
	rows   bool   // there is a list of rows
	object bool   // columns are fields of the body, or of each row
	whole  bool   // the body is the only element, and not JSON
}

// The names of tensors that are no fields.
const (
	inputName  = "input"
	outputName = "output"
)

// NewModel returns an API as a model. items is the parameter that holds the items of a batchable
// API; "": it is not batchable. The error says which part of the API cannot be a tensor.
func NewModel(in, out *wire.Layout, items string) (*Model, error) {
	m := &Model{in: form{whole: in.Whole}, out: form{whole: out.Whole}}
	var before []int64
	name := inputName
	if items != "" {
		m.in, m.out, before, name = form{items: items, rows: true}, form{rows: true}, []int64{-1}, items
		out = out.Elem
		for _, field := range in.Fields {
			if field.Name == items {
				in = field.Elem
				break
			}
		}
	}
	var errIn, errOut error
	if m.Inputs, errIn = m.in.columns(name, in, before, false); errIn != nil {
		errIn = fmt.Errorf("its input cannot be tensors: %w", errIn)
	}
	if m.Outputs, errOut = m.out.columns(outputName, out, before, true); errOut != nil {
		errOut = fmt.Errorf("its result cannot be tensors: %w", errOut)
	}
	return m, errors.Join(errIn, errOut)
}

// columns returns the columns of a value or of a row: its fields, or the value itself. A part of a
// result must always be there.
func (f *form) columns(name string, value *wire.Layout, before []int64, result bool) (all []Column, err error) {
	fields := []wire.LayoutField{{Name: name, Required: true, Layout: value}}
	if value.Fields != nil {
		f.object, fields = true, value.Fields
	}
	var errs []error
	if result && value.Fields != nil && value.Null {
		errs = append(errs, errors.New("the result must not be a pointer: a tensor is always there"))
	}
	for _, one := range fields {
		column := Column{Name: one.Name, required: one.Required, dims: append([]int64(nil), before...)}
		at, absent := one.Layout, !one.Required || one.Null
		for ; at.Elem != nil; at = at.Elem {
			absent = absent || at.Elem.Null
			length := int64(-1)
			if at.Length > 0 {
				length = int64(at.Length)
			}
			column.dims = append(column.dims, length)
		}
		if at.Scalar == "" {
			errs = append(errs, fmt.Errorf("%q must consist of scalars, or of lists of them", one.Name))
			continue
		}
		if result && absent {
			errs = append(errs, fmt.Errorf("%q must not be a pointer, and not have omitempty or omitzero: a tensor is always there", one.Name))
			continue
		}
		column.Datatype, column.encoded = datatypes[at.Scalar], at.Scalar == "bytes"
		all = append(all, column)
	}
	return all, errors.Join(errs...)
}
