package wire

import "bytes"

type Items[T any] struct {
	list *Input[Parameter[[]T]]
	one  *Input[Parameter[T]]
}

func NewItems[T any](name string) (*Items[T], error) {
	list, err := NewParameter[[]T](name)
	if err != nil {
		return nil, err
	}
	one, err := NewParameter[T](name)
	return &Items[T]{list, one}, err
}

func (i *Items[T]) Decode(body []byte) ([]T, bool, error) {
	var list Parameter[[]T]
	invalid := i.list.Decode(body, &list)
	if invalid == nil {
		return list.Value, false, nil
	}
	var one Parameter[T]
	if i.one.Decode(body, &one) != nil {
		return nil, false, invalid
	}
	return []T{one.Value}, true, nil
}

func (i *Items[T]) Schema() *Schema { return i.list.Schema() }

func (o *Output[T]) EncodeFirst(buf *bytes.Buffer, v T) error {
	if err := o.Encode(buf, v); err != nil {
		return err
	}
	alone := bytes.TrimSuffix(bytes.TrimPrefix(buf.Bytes(), []byte("[")), []byte("]"))
	buf.Truncate(copy(buf.Bytes(), alone))
	return nil
}
