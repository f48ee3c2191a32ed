package openinferencegrpc

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// contents are the fields of typed elements, by their numbers.
var contents = map[protowire.Number]string{
	1: "bool_contents", 2: "int_contents", 3: "int64_contents", 4: "uint_contents", 5: "uint64_contents", 6: "fp32_contents", 7: "fp64_contents", 8: "bytes_contents",
}

// typed says in which field the elements of a datatype are, and how wide one is as raw bytes.
type typed struct {
	field    protowire.Number
	width    int   // bytes; 0: each has its length before it
	low      int64 // the smallest number of an integer type
	high     uint64
	unsigned bool
}

var typedAs = map[string]typed{
	"BOOL":   {field: 1, width: 1, high: 1, unsigned: true},
	"INT8":   {field: 2, width: 1, low: math.MinInt8, high: math.MaxInt8},
	"INT16":  {field: 2, width: 2, low: math.MinInt16, high: math.MaxInt16},
	"INT32":  {field: 2, width: 4, low: math.MinInt32, high: math.MaxInt32},
	"INT64":  {field: 3, width: 8, low: math.MinInt64, high: math.MaxInt64},
	"UINT8":  {field: 4, width: 1, high: math.MaxUint8, unsigned: true},
	"UINT16": {field: 4, width: 2, high: math.MaxUint16, unsigned: true},
	"UINT32": {field: 4, width: 4, high: math.MaxUint32, unsigned: true},
	"UINT64": {field: 5, width: 8, high: math.MaxUint64, unsigned: true},
	"FP32":   {field: 6, width: 4},
	"FP64":   {field: 7, width: 8},
	"BYTES":  {field: 8},
}

// elements returns the typed elements of an input as raw bytes, of most bytes at most; 0: of any
// size. All must be in the field for their datatype.
func (in *input) elements(most int64) (raw []byte, err error) {
	want, ok := typedAs[in.datatype]
	if !ok && (in.datatype == "FP16" || in.datatype == "BF16") {
		return nil, fmt.Errorf("the elements of %s must be in raw_input_contents", in.datatype)
	}
	size := product(in.shape)
	more := func(n int64) error { // stops early: few bytes could make many elements
		if size >= 0 && n > size {
			return fmt.Errorf("%s must have %d elements, as shape says, found more", contents[want.field], size)
		}
		if most > 0 && n*int64(max(want.width, 4))-8 > most {
			return tensors.ErrTooLarge
		}
		return nil
	}
	n := int64(0)
	for _, message := range in.contents {
		err := fields(message, func(f field) error {
			name := contents[f.number]
			switch {
			case name == "" || !ok: // package tensors says which datatypes there are
				return nil
			case f.number != want.field && (f.kind != protowire.BytesType || len(f.bytes) > 0 || f.number == 8):
				return fmt.Errorf("the elements of %s must be in %s, found %s", in.datatype, contents[want.field], name)
			case f.number != want.field:
				return nil
			}
			raw, err = want.appendTo(raw, &f, &n, more)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if ok && size >= 0 && size != n {
		return nil, fmt.Errorf("%s must have %d elements, as shape says, found %d", contents[want.field], size, n)
	}
	return raw, nil
}

// appendTo appends the elements of a field, and counts them.
func (t *typed) appendTo(raw []byte, f *field, n *int64, more func(int64) error) ([]byte, error) {
	switch {
	case t.width == 0 && f.kind == protowire.BytesType:
		*n++
		return append(binary.LittleEndian.AppendUint32(raw, uint32(len(f.bytes))), f.bytes...), more(*n)
	case t.field >= 6 && (f.kind == protowire.BytesType || f.kind == protowire.Fixed32Type && t.width == 4 || f.kind == protowire.Fixed64Type && t.width == 8):
		if len(f.bytes)%t.width != 0 {
			return nil, fmt.Errorf("%s must have %d bytes for each element, found %d bytes", contents[t.field], t.width, len(f.bytes))
		}
		*n += int64(len(f.bytes) / t.width)
		return append(raw, f.bytes...), more(*n)
	case t.field < 6 && (f.kind == protowire.VarintType || f.kind == protowire.BytesType):
		return raw, f.varints(func(v uint64) error {
			if t.unsigned && v > t.high || !t.unsigned && (int64(v) < t.low || int64(v) > int64(t.high)) {
				return fmt.Errorf("%s[%d] must be from %d to %d, found %s", contents[t.field], *n, t.low, t.high, t.text(v))
			}
			*n++
			raw = append(raw, binary.LittleEndian.AppendUint64(nil, v)[:t.width]...)
			return more(*n)
		})
	}
	return raw, nil // of another type: protobuf has no such field
}

func (t *typed) text(v uint64) string {
	if t.unsigned {
		return fmt.Sprint(v)
	}
	return fmt.Sprint(int64(v))
}

// product returns how many elements a shape has. It is -1 if a number is negative or there are too
// many; package tensors refuses the shape then.
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

// appendContents appends raw elements as a message of typed ones.
func appendContents(to []byte, number protowire.Number, datatype string, raw []byte) []byte {
	t := typedAs[datatype]
	var all, packed []byte
	switch {
	case t.width == 0:
		for len(raw) >= 4 {
			end := 4 + binary.LittleEndian.Uint32(raw)
			all, raw = appendBytes(all, t.field, raw[4:end]), raw[end:]
		}
	case t.field >= 6:
		packed = raw
	default:
		for ; len(raw) > 0; raw = raw[t.width:] {
			packed = protowire.AppendVarint(packed, t.number(raw))
		}
	}
	if len(packed) > 0 {
		all = appendBytes(nil, t.field, packed)
	}
	return appendBytes(to, number, all)
}

// number returns the first number of raw elements, as protobuf writes it: a negative one in 64 bits.
func (t *typed) number(raw []byte) uint64 {
	var wide [8]byte
	copy(wide[:], raw[:t.width])
	v := binary.LittleEndian.Uint64(wide[:])
	if shift := 64 - 8*t.width; !t.unsigned {
		v = uint64(int64(v<<shift) >> shift)
	}
	return v
}
