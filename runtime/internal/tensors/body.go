package tensors

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// placed is an input at its column.
type placed struct {
	column   *Column
	shape    []int64
	elements elements
	first    int // the next element to write
}

// mostDimensions bounds the shape of a tensor.
const mostDimensions = 32

// Body returns the body of a request with inputs, of most bytes at most; 0: of any size. The error
// has all that is wrong with them, or it is ErrTooLarge, or that of ctx.
func (m *Model) Body(ctx context.Context, inputs []Input, most int64) ([]byte, error) {
	if len(inputs) > len(m.Inputs) {
		return nil, fmt.Errorf("inputs must be at most %d tensors, found %d", len(m.Inputs), len(inputs))
	}
	b := builder{form: m.in, ctx: ctx, most: most}
	if most == 0 {
		b.most = math.MaxInt64
	}
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
		one, err := m.Inputs[column].place(&inputs[i], m.in.rows, b.most)
		if errors.Is(err, ErrTooLarge) {
			return nil, err
		}
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
	if m.in.rows && len(all) == 0 && errs == nil {
		errs = append(errs, fmt.Errorf("inputs must have at least one of %s, whose shape tells how many rows there are", Names(m.Inputs)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.body(all)
}

// Names lists the names of columns.
func Names(columns []Column) string {
	if len(columns) == 0 {
		return "none"
	}
	var list []string
	for i := range columns {
		list = append(list, columns[i].Name)
	}
	return strings.Join(list, ", ")
}

// place reads the elements of an input.
func (c *Column) place(in *Input, rows bool, most int64) (placed, error) {
	one := placed{column: c}
	if len(in.Shape) > mostDimensions {
		return one, fmt.Errorf("shape must have at most %d numbers, found %d", mostDimensions, len(in.Shape))
	}
	n, err := count(in.Shape)
	if int64(n) > most/2 { // each takes two bytes of the body at least
		return one, ErrTooLarge
	}
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

// builder writes the body of a request.
type builder struct {
	form

	ctx  context.Context
	most int64
	to   []byte
}

// grown returns an error if the body is too large, or nobody waits for it any more.
func (b *builder) grown() error {
	if int64(len(b.to)) > b.most {
		return ErrTooLarge
	}
	return b.ctx.Err()
}

// body places inputs in JSON.
func (b *builder) body(all []placed) ([]byte, error) {
	switch {
	case b.rows:
		return b.list(all)
	case b.whole:
		content, err := jsontext.AppendUnquote(nil, all[0].elements.at(0))
		if err == nil && all[0].column.encoded {
			if content, err = base64.StdEncoding.AppendDecode(nil, content); err != nil {
				err = fmt.Errorf("input %q: element 0 must be base64 in JSON: %w", all[0].column.Name, err)
			}
		}
		return content, err
	}
	b.value(all)
	return b.to, b.grown()
}

// value appends the fields of an object, or the only input.
func (b *builder) value(all []placed) {
	if !b.object {
		b.nest(&all[0], all[0].shape)
		return
	}
	b.to = append(b.to, '{')
	for i := range all {
		if i > 0 {
			b.to = append(b.to, ',')
		}
		b.to, _ = jsontext.AppendQuote(b.to, all[i].column.Name) // from a Go field: it is UTF-8
		b.to = append(b.to, ':')
		b.nest(&all[i], all[i].shape)
	}
	b.to = append(b.to, '}')
}

// list returns the parameter with the rows. All columns must have as many.
func (b *builder) list(all []placed) ([]byte, error) {
	rows := all[0].shape[0]
	var errs []error
	for _, one := range all {
		if one.shape[0] != rows {
			errs = append(errs, fmt.Errorf("input %q: the first number of shape must be %d, as for input %q, found %d", one.column.Name, rows, all[0].column.Name, one.shape[0]))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.to, _ = jsontext.AppendQuote([]byte("{"), b.items) // NewItems has checked the name
	b.to = append(b.to, ":["...)
	row := make([]placed, len(all))
	for i := range rows {
		if i > 0 {
			b.to = append(b.to, ',')
		}
		for j, one := range all {
			row[j] = placed{one.column, one.shape[1:], one.elements, int(i) * (one.elements.len() / int(rows))}
		}
		if b.value(row); i%1024 == 0 {
			if err := b.grown(); err != nil {
				return nil, err
			}
		}
	}
	b.to = append(b.to, "]}"...)
	return b.to, b.grown()
}

// nest appends the elements of an input as nested arrays of the shape. It stops when the body has
// grown too much, which body reports.
func (b *builder) nest(p *placed, shape []int64) {
	if len(shape) == 0 {
		b.to = append(b.to, p.elements.at(p.first)...)
		p.first++
		return
	}
	b.to = append(b.to, '[')
	for i := range shape[0] {
		if p.first%1024 == 0 && b.grown() != nil {
			return
		}
		if i > 0 {
			b.to = append(b.to, ',')
		}
		b.nest(p, shape[1:])
	}
	b.to = append(b.to, ']')
}
