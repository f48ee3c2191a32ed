package wire

import "context"

// normalise returns body as JSON that n accepts, after conversions and with defaults
// filled in, or all its errors.
func (n *node) normalise(ctx context.Context, body []byte, files *attached) ([]byte, *Invalid) {
	tree, err := parse(ctx, body, n)
	if err != nil {
		return nil, invalid(syntaxFault(body, err))
	}
	if _, ok := tree.(*object); !ok && n.kind == kindObject {
		return nil, invalid(notObject)
	}
	wrong := violations{attached: files}
	if len(body) >= large {
		wrong.ctx = ctx
	}
	normal := n.coerce(tree, nil, &wrong)
	if len(wrong.list) > 0 {
		if n.kind != kindObject {
			wrong.asRoot()
		}
		return nil, wrong.invalid()
	}
	return render(nil, normal), nil
}

var notString = &fault{"string_type", "Input should be a valid string"}

var notObject = &fault{"model_type", "Input should be an object"}

// coerce converts v as pydantic does in lax mode, fills in defaults, and adds errors
// to wrong. If it adds an error, its result is not valid.
func (n *node) coerce(v any, loc []any, wrong *violations) any {
	if v == nil && n.nullable {
		return v
	}
	switch n.kind {
	case kindAny:
		n.decodes(v, loc, wrong)
		return v
	case kindFile:
		return n.coerceFile(v, loc, wrong)
	case kindObject:
		if from, ok := v.(*object); ok {
			return n.coerceObject(from, loc, wrong)
		}
		wrong.add(loc, notObject)
		return nil
	case kindDict:
		if from, ok := v.(*object); ok {
			return n.coerceDict(from, loc, wrong)
		}
		wrong.add(loc, &fault{"dict_type", "Input should be an object"})
		return nil
	case kindList:
		return n.coerceList(v, loc, wrong)
	}
	scalar, f := n.scalar(v)
	if f != nil {
		wrong.add(loc, f)
	}
	return scalar
}

func (n *node) coerceObject(from *object, loc []any, wrong *violations) any {
	to := &object{}
	for _, f := range n.fields {
		v, ok := from.get(f.name)
		switch {
		case ok:
			to.set(f.name, f.node.coerce(v, append(loc, f.name), wrong))
		case f.required:
			wrong.add(loc, &fault{"missing", "Field required"}, f.name)
		case f.fallback != nil:
			to.set(f.name, f.fallback)
		}
	}
	return to
}

func (n *node) coerceDict(from *object, loc []any, wrong *violations) any {
	to := &object{}
	for i, name := range from.names {
		if wrong.enough() {
			break
		}
		key := name
		if n.key != nil {
			whole, f := n.key.number(name)
			if f != nil {
				wrong.add(loc, f, name, "[key]")
			}
			key = string(whole)
		}
		to.set(key, n.elem.coerce(from.values[i], append(loc, name), wrong))
	}
	return to
}

// coerceList checks the maximum length before the items, and the minimum length only
// if the items are valid, as pydantic does.
func (n *node) coerceList(v any, loc []any, wrong *violations) any {
	from, ok := v.([]any)
	if !ok {
		wrong.add(loc, &fault{"list_type", "Input should be a valid array"})
		return nil
	}
	if f := n.rules.tooLong(len(from)); f != nil {
		wrong.add(loc, f)
		return nil
	}
	before := len(wrong.list)
	for i := range from {
		if wrong.enough() {
			break
		}
		from[i] = n.elem.coerce(from[i], append(loc, i), wrong)
	}
	if f := n.rules.tooShort(len(from)); f != nil && len(wrong.list) == before {
		wrong.add(loc, f)
	}
	return from
}

// scalar converts a string, a boolean or a number.
func (n *node) scalar(v any) (any, *fault) {
	switch n.kind {
	case kindString:
		s, ok := v.(string)
		switch {
		case ok:
			return s, n.rules.string(s)
		case n.rules.enum != nil:
			return nil, n.rules.choices("'")
		}
		return nil, notString
	case kindBool:
		return both(boolean(v))
	}
	return both(n.number(v))
}

func both[T any](v T, f *fault) (any, *fault) { return v, f }
