package openinferencegrpc

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/inference"
)

// field is a field of InferTensorContents.
type field struct {
	name      string
	datatypes []string
	elements  any
	n         int
}

func fieldOf[T any](name string, list []T, datatypes ...string) field {
	if list == nil {
		list = []T{} // which JSON does not write as null
	}
	return field{name, datatypes, list, len(list)}
}

func fields(c *inference.InferTensorContents) []field {
	return []field{
		fieldOf("bool_contents", c.GetBoolContents(), "BOOL"),
		fieldOf("int_contents", c.GetIntContents(), "INT8", "INT16", "INT32"),
		fieldOf("int64_contents", c.GetInt64Contents(), "INT64"),
		fieldOf("uint_contents", c.GetUintContents(), "UINT8", "UINT16", "UINT32"),
		fieldOf("uint64_contents", c.GetUint64Contents(), "UINT64"),
		fieldOf("fp32_contents", c.GetFp32Contents(), "FP32"),
		fieldOf("fp64_contents", c.GetFp64Contents(), "FP64"),
		fieldOf("bytes_contents", c.GetBytesContents(), "BYTES"),
	}
}

// elements returns the elements of an input for JSON, or as raw bytes if they are BYTES, which need
// not be UTF-8. All must be in the field for their datatype.
func elements(c *inference.InferTensorContents, datatype string, shape []int64) (list any, raw []byte, err error) {
	want, names := field{}, []string{}
	for _, one := range fields(c) {
		if slices.Contains(one.datatypes, datatype) {
			want = one
		} else if one.n > 0 {
			names = append(names, one.name)
		}
	}
	switch {
	case want.name == "" && (datatype == "FP16" || datatype == "BF16"):
		return nil, nil, fmt.Errorf("the elements of %s must be in raw_input_contents", datatype)
	case want.name == "": // the app says which datatypes there are
		return []int{}, nil, nil
	case len(names) > 0:
		return nil, nil, fmt.Errorf("the elements of %s must be in %s, found %s", datatype, want.name, strings.Join(names, ", "))
	case datatype == "BYTES":
		if n := product(shape); n >= 0 && n != int64(want.n) {
			return nil, nil, fmt.Errorf("bytes_contents must have %d elements, as shape says, found %d", n, want.n)
		}
		for _, one := range c.GetBytesContents() {
			raw = append(binary.LittleEndian.AppendUint32(raw, uint32(len(one))), one...)
		}
		return nil, raw, nil
	}
	return want.elements, nil, nil
}

// product returns how many elements a shape has; negative: it is none, as the app says.
func product(shape []int64) int64 {
	total := int64(1)
	for _, n := range shape {
		if n < 0 || n > 0 && total > math.MaxInt32/n {
			return -1
		}
		total *= n
	}
	return total
}

// contents returns elements in the field of their datatype.
func contents(datatype string, raw []byte) *inference.InferTensorContents {
	c := &inference.InferTensorContents{}
	little := binary.LittleEndian
	switch datatype {
	case "BOOL":
		c.BoolContents = each(raw, 1, func(b []byte) bool { return b[0] != 0 })
	case "INT8":
		c.IntContents = each(raw, 1, func(b []byte) int32 { return int32(int8(b[0])) })
	case "INT16":
		c.IntContents = each(raw, 2, func(b []byte) int32 { return int32(int16(little.Uint16(b))) })
	case "INT32":
		c.IntContents = each(raw, 4, func(b []byte) int32 { return int32(little.Uint32(b)) })
	case "INT64":
		c.Int64Contents = each(raw, 8, func(b []byte) int64 { return int64(little.Uint64(b)) })
	case "UINT8":
		c.UintContents = each(raw, 1, func(b []byte) uint32 { return uint32(b[0]) })
	case "UINT16":
		c.UintContents = each(raw, 2, func(b []byte) uint32 { return uint32(little.Uint16(b)) })
	case "UINT32":
		c.UintContents = each(raw, 4, little.Uint32)
	case "UINT64":
		c.Uint64Contents = each(raw, 8, little.Uint64)
	case "FP32":
		c.Fp32Contents = each(raw, 4, func(b []byte) float32 { return math.Float32frombits(little.Uint32(b)) })
	case "FP64":
		c.Fp64Contents = each(raw, 8, func(b []byte) float64 { return math.Float64frombits(little.Uint64(b)) })
	default: // BYTES
		for len(raw) >= 4 {
			end := 4 + little.Uint32(raw)
			c.BytesContents, raw = append(c.BytesContents, raw[4:end]), raw[end:]
		}
	}
	return c
}

// each reads elements of a size in bytes.
func each[T any](raw []byte, size int, read func([]byte) T) []T {
	list := make([]T, 0, len(raw)/size)
	for one := range slices.Chunk(raw, size) {
		list = append(list, read(one))
	}
	return list
}
