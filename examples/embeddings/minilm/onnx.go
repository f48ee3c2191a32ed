package minilm

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of ONNX that a graph needs, with the field numbers of onnx.proto3.

// message is a message of ONNX under construction.
type message []byte

func (m *message) int(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) string(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(v))
}

// The element types of ONNX's tensors that a graph needs.
const (
	floats = 1
	int64s = 7
)

// tensor returns a TensorProto with the little-endian bytes of its elements.
func tensor(name string, elements int64, dims []int64, raw []byte) message {
	var m message
	for _, d := range dims {
		m.int(1, d)
	}
	m.int(2, elements)
	m.string(8, name)
	m.bytes(9, raw)
	return m
}

// value returns a ValueInfoProto: an input or an output. A dimension is an int or a name.
func value(name string, elements int64, dims ...any) message {
	var shape message
	for _, d := range dims {
		var dim message
		switch d := d.(type) {
		case int:
			dim.int(1, int64(d))
		case string:
			dim.string(2, d)
		}
		shape.bytes(1, dim)
	}
	var typed, kind, m message
	typed.int(1, elements)
	typed.bytes(2, shape)
	kind.bytes(1, typed)
	m.string(1, name)
	m.bytes(2, kind)
	return m
}

// attribute returns an AttributeProto.
func attribute(name string, v any) message {
	var m message
	m.string(1, name)
	switch v := v.(type) {
	case int:
		m.int(3, int64(v))
		m.int(20, 2)
	case float32:
		m.float(2, v)
		m.int(20, 1)
	case []int:
		for _, one := range v {
			m.int(8, int64(one))
		}
		m.int(20, 7)
	}
	return m
}

func rawFloats(v ...float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, one := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(one))
	}
	return raw
}

func rawInts(v ...int64) []byte {
	raw := make([]byte, 0, 8*len(v))
	for _, one := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(one))
	}
	return raw
}
