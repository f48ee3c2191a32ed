package tensors

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// placed is an input at its column.
type placed struct {
	column   *Column
	shape    []int64
	elements elements
	first    int // of the elements that are in the shape
}

// Body returns the body of a request with inputs. The error has all that is wrong with them.
func (m *Model) Body(inputs []Input) ([]byte, error) {
	var all []placed
	var errs []error
	for i := range inputs {
		column := slices.IndexFunc(m.Inputs, func(c Column) bool { return c.Name == inputs[i].Name })
		switch {
		case column < 0:
			errs = append(errs, fmt.Errorf("input %q: must be one of %s", inputs[i].Name, Names(m.Inputs)))
			continue
		case slices.ContainsFunc(all, func(p placed) bool { return p.column == &m.Inputs[column] }):
			errs = append(errs, fmt.Errorf("input %q: must be there once", inputs[i].Name))
			continue
		}
		one, err := m.Inputs[column].place(&inputs[i], m.in.rows)
		if err != nil {
			errs = append(errs, fmt.Errorf("input %q: %w", inputs[i].Name, err))
		}
		all = append(all, one)
	}
	for i := range m.Inputs {
		if c := &m.Inputs[i]; c.required && !slices.ContainsFunc(all, func(p placed) bool { return p.column == c }) {
			errs = append(errs, fmt.Errorf("input %q: must be there", c.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m.in.body(all)
}

// Names lists the names of columns.
func Names(columns []Column) string {
	var list []string
	for i := range columns {
		list = append(list, columns[i].Name)
	}
	return strings.Join(list, ", ")
}

// place reads the elements of an input.
func (c *Column) place(in *Input, rows bool) (placed, error) {
	one := placed{column: c}
	n, err := count(in.Shape)
	if err == nil {
		one.shape, err = c.fit(in.Shape, rows)
	}
	if err := errors.Join(c.checkType(in.Datatype), err); err != nil {
		return one, err
	}
	if in.JSON != nil {
		one.elements, err = fromJSON(in.JSON, in.Datatype, n)
	} else {
		one.elements, err = fromRaw(in.Raw, in.Datatype, n, c.encoded)
	}
	return one, err
}

// body places inputs in JSON.
func (f *form) body(all []placed) ([]byte, error) {
	switch {
	case f.rows:
		return f.list(all)
	case f.whole:
		content, err := jsontext.AppendUnquote(nil, all[0].elements.at(0))
		if err == nil && all[0].column.encoded {
			content, err = base64.StdEncoding.AppendDecode(nil, content)
		}
		return content, err
	case f.object:
		return object(nil, all), nil
	}
	return all[0].appendTo(nil), nil
}

// list returns the parameter with the rows. All columns must have as many.
func (f *form) list(all []placed) ([]byte, error) {
	rows := int64(0)
	for i, one := range all {
		if i == 0 {
			rows = one.shape[0]
		}
		if one.shape[0] != rows {
			return nil, fmt.Errorf("input %q: the first number of shape must be %d, as for input %q, found %d", one.column.Name, rows, all[0].column.Name, one.shape[0])
		}
	}
	to, _ := jsontext.AppendQuote([]byte("{"), f.items) // NewItems has checked the name
	to = append(to, ":["...)
	row := make([]placed, len(all))
	for i := range rows {
		if i > 0 {
			to = append(to, ',')
		}
		for j, one := range all {
			row[j] = placed{one.column, one.shape[1:], one.elements, int(i) * one.elements.len() / int(rows)}
		}
		if f.object {
			to = object(to, row)
		} else {
			to = row[0].appendTo(to)
		}
	}
	return append(to, "]}"...), nil
}

// object appends a JSON object of inputs.
func object(to []byte, all []placed) []byte {
	to = append(to, '{')
	for i, one := range all {
		if i > 0 {
			to = append(to, ',')
		}
		to, _ = jsontext.AppendQuote(to, one.column.Name) // from a Go field: it is UTF-8
		to = one.appendTo(append(to, ':'))
	}
	return append(to, '}')
}

// appendTo appends the elements as nested arrays of the shape.
func (p *placed) appendTo(to []byte) []byte {
	next := p.first
	return p.nest(to, p.shape, &next)
}

func (p *placed) nest(to []byte, shape []int64, next *int) []byte {
	if len(shape) == 0 {
		*next++
		return append(to, p.elements.at(*next-1)...)
	}
	to = append(to, '[')
	for i := range shape[0] {
		if i > 0 {
			to = append(to, ',')
		}
		to = p.nest(to, shape[1:], next)
	}
	return append(to, ']')
}
