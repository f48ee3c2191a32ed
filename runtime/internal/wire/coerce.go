package wire

import (
	"slices"
	"strconv"
	"strings"
)

// mostViolations bounds the answer, which else could be many times the body.
const mostViolations = 100

// normalise is the long way: body as JSON that n accepts, or all that is wrong
// with it.
func (n *node) normalise(body []byte) ([]byte, *Invalid) {
	tree, err := parse(body, n)
	if err != nil {
		return nil, &Invalid{[]Violation{syntaxViolation(body, err)}}
	}
	if n.kind == kindObject || n.kind == kindDict {
		if _, ok := tree.(*object); !ok {
			return nil, &Invalid{[]Violation{{"model_type", []any{}, "Input should be an object"}}}
		}
	}
	normal, wrong := n.coerce(tree, []any{}, nil)
	if len(wrong) >= mostViolations {
		wrong = append(wrong[:mostViolations:mostViolations], Violation{"too_many_errors", []any{}, "Input has more errors than are told of"})
	}
	if len(wrong) > 0 {
		return nil, &Invalid{wrong}
	}
	return render(nil, normal), nil
}

// coerce converts v as pydantic does in its lax mode, fills in defaults, and
// adds what is wrong to wrong.
func (n *node) coerce(v any, loc []any, wrong []Violation) (any, []Violation) {
	if v == nil && n.nullable {
		return v, wrong
	}
	switch n.kind {
	case kindAny:
		return v, n.decodes(v, loc, wrong)
	case kindObject:
		if from, ok := v.(*object); ok {
			return n.coerceObject(from, loc, wrong)
		}
		return nil, append(wrong, Violation{"model_type", slices.Clone(loc), "Input should be an object"})
	case kindDict:
		return n.coerceDict(v, loc, wrong)
	case kindList:
		return n.coerceList(v, loc, wrong)
	}
	scalar, kind, msg := n.scalar(v)
	if kind != "" {
		return nil, append(wrong, Violation{kind, slices.Clone(loc), msg})
	}
	return scalar, wrong
}

func (n *node) coerceDict(v any, loc []any, wrong []Violation) (any, []Violation) {
	from, ok := v.(*object)
	if !ok {
		return nil, append(wrong, Violation{"dict_type", slices.Clone(loc), "Input should be an object"})
	}
	for i := range from.values {
		if len(wrong) >= mostViolations {
			break
		}
		if n.key != nil {
			key, kind, msg := n.key.number(from.names[i])
			if kind != "" {
				wrong = append(wrong, Violation{kind, append(slices.Clone(loc), from.names[i], "[key]"), msg})
			} else {
				from.names[i] = string(key)
			}
		}
		from.values[i], wrong = n.elem.coerce(from.values[i], append(loc, from.names[i]), wrong)
	}
	return from, wrong
}

func (n *node) coerceList(v any, loc []any, wrong []Violation) (any, []Violation) {
	from, ok := v.([]any)
	if !ok {
		return nil, append(wrong, Violation{"list_type", slices.Clone(loc), "Input should be a valid array"})
	}
	if kind, msg := n.rules.countBroken(len(from)); kind != "" {
		return nil, append(wrong, Violation{kind, slices.Clone(loc), msg})
	}
	for i := range from {
		if len(wrong) >= mostViolations {
			break
		}
		from[i], wrong = n.elem.coerce(from[i], append(loc, i), wrong)
	}
	return from, wrong
}

// scalar converts a string, a boolean or a number, or says which rule v breaks.
func (n *node) scalar(v any) (scalar any, kind, msg string) {
	switch n.kind {
	case kindString:
		text, ok := v.(string)
		switch {
		case ok:
			kind, msg = n.rules.textBroken(text)
			return text, kind, msg
		case n.rules.enum != nil:
			return nil, "literal_error", "Input should be " + n.rules.choices(true)
		}
		return nil, "string_type", "Input should be a valid string"
	case kindBool:
		if b, ok := boolean(v); ok {
			return b, "", ""
		}
		switch v.(type) {
		case string, number:
			return nil, "bool_parsing", "Input should be a valid boolean, unable to interpret input"
		}
		return nil, "bool_type", "Input should be a valid boolean"
	}
	return n.number(v)
}

func (n *node) coerceObject(from *object, loc []any, wrong []Violation) (any, []Violation) {
	to := &object{}
	for _, f := range n.fields {
		v, ok := from.get(f.name)
		switch {
		case ok:
			v, wrong = f.node.coerce(v, append(loc, f.name), wrong)
		case f.required:
			wrong = append(wrong, Violation{"missing", append(slices.Clone(loc), f.name), "Field required"})
			continue
		case f.fallback != nil:
			v = f.fallback
		default:
			continue
		}
		to.set(f.name, v)
	}
	return to, wrong
}

// boolean is pydantic's table of what is true and false.
func boolean(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f == 1, err == nil && (f == 0 || f == 1)
	case string:
		switch strings.ToLower(v) {
		case "1", "on", "t", "true", "y", "yes":
			return true, true
		case "0", "off", "f", "false", "n", "no":
			return false, true
		}
	}
	return false, false
}
