package tensors

import (
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Results returns the outputs of a response that are asked for.
func (m *Model) Results(body []byte, asked func(name string) bool) ([]Output, error) {
	var all []Output
	for _, column := range m.Outputs {
		if asked(column.Name) {
			all = append(all, Output{Column: column})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	if m.out.whole {
		if all[0].encoded {
			body = base64.StdEncoding.AppendEncode(nil, body)
		}
		quoted, err := jsontext.AppendQuote(nil, body)
		if err != nil {
			err = fmt.Errorf("output %q: must be UTF-8 to be a tensor: %w", all[0].Name, err)
		}
		all[0].Shape = []int64{1}
		all[0].elements.add(quoted)
		return all, err
	}
	rows := []jsontext.Value{body}
	if m.out.rows {
		rows = nil
		if err := json.Unmarshal(body, &rows); err != nil {
			return nil, err
		}
	}
	for i := range all {
		all[i].Shape = make([]int64, len(all[i].dims))
		for j, n := range all[i].dims {
			all[i].Shape[j] = max(0, n)
		}
		if m.out.rows {
			all[i].Shape[0] = int64(len(rows))
		}
	}
	for i, row := range rows {
		if err := m.out.split(row, all, i == 0); err != nil {
			return nil, err
		}
	}
	for i := range all {
		if len(all[i].Shape) == 0 {
			all[i].Shape = []int64{1}
		}
	}
	return all, nil
}

// split adds a value, or a row, to its columns.
func (f *form) split(row jsontext.Value, all []Output, first bool) error {
	fields := map[string]jsontext.Value{outputName: row}
	if f.object {
		fields = nil
		if err := json.Unmarshal(row, &fields); err != nil {
			return err
		}
	}
	for i := range all {
		one := &all[i]
		value, there := fields[one.Name]
		if !there {
			return fmt.Errorf("output %q: must be in every result to be a tensor", one.Name)
		}
		shape := one.Shape
		if f.rows {
			shape = shape[1:]
		}
		if err := one.flatten(value, shape, first); err != nil {
			return fmt.Errorf("output %q: %w", one.Name, err)
		}
	}
	return nil
}

// flatten adds the elements of nested arrays. The first ones decide the shape.
func (o *Output) flatten(value jsontext.Value, shape []int64, first bool) error {
	if len(shape) == 0 {
		if !isOf(value, o.Datatype) {
			return fmt.Errorf("must have no null to be a tensor, found %.50s", value)
		}
		o.elements.add(append(o.elements.text, value...))
		return nil
	}
	var list []jsontext.Value
	if err := json.Unmarshal(value, &list); err != nil {
		return err
	}
	if first {
		shape[0] = int64(len(list))
	}
	if shape[0] != int64(len(list)) {
		return fmt.Errorf("lists must have one length to be a tensor, found %d and %d", shape[0], len(list))
	}
	for i, one := range list {
		if err := o.flatten(one, shape[1:], first && i == 0); err != nil {
			return err
		}
	}
	return nil
}
