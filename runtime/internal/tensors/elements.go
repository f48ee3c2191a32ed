package tensors

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// sizes are the bytes of an element. BYTES has none.
var sizes = map[string]int{
	"BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2,
	"UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8,
}

// fromJSON returns n elements of nested or flat arrays.
func fromJSON(data jsontext.Value, datatype string, n int) (all elements, err error) {
	from, depth := jsontext.NewDecoder(bytes.NewReader(data)), 0
	for {
		switch from.PeekKind() {
		case '[':
			depth++
		case ']':
			depth--
		case '{':
			return all, errors.New("data must be an array of scalars, found an object")
		default:
			element, err := from.ReadValue()
			if err != nil {
				return all, fmt.Errorf("data: %w", err)
			}
			if all.len() == n {
				return all, fmt.Errorf("data must have %d elements, as shape says, found more", n)
			}
			if depth == 0 {
				return all, fmt.Errorf("data must be an array, found %.50s", element)
			}
			if !isOf(element, datatype) {
				return all, fmt.Errorf("data: element %d must be %s, as datatype says, found %.50s", all.len(), datatype, element)
			}
			all.add(append(all.text, element...))
			continue
		}
		if _, err := from.ReadToken(); err != nil {
			return all, fmt.Errorf("data: %w", err)
		}
		if depth == 0 {
			break
		}
	}
	if all.len() != n {
		return all, fmt.Errorf("data must have %d elements, as shape says, found %d", n, all.len())
	}
	return all, nil
}

// isOf reports whether an element is written as its datatype requires. Ranges are checked by the
// API.
func isOf(element jsontext.Value, datatype string) bool {
	switch kind := element.Kind(); class(datatype) {
	case "BOOL":
		return kind == 't' || kind == 'f'
	case "BYTES":
		return kind == '"'
	default:
		return kind == '0'
	}
}

// fromRaw returns n elements of raw bytes.
func fromRaw(data []byte, datatype string, n int, encoded bool) (all elements, err error) {
	if datatype == "BYTES" {
		return fromBytes(data, n, encoded)
	}
	size := sizes[datatype]
	if int64(len(data)) != int64(n)*int64(size) {
		return all, fmt.Errorf("must have %d bytes, %d for each of %d elements, found %d", int64(n)*int64(size), size, n, len(data))
	}
	all.ends = make([]int, 0, n)
	for i := range n {
		text, err := appendScalar(all.text, data[i*size:], datatype)
		if err != nil {
			return all, fmt.Errorf("element %d %w", i, err)
		}
		all.add(text)
	}
	return all, nil
}

// appendScalar appends the first element of raw bytes as JSON.
func appendScalar(to, data []byte, datatype string) ([]byte, error) {
	order := binary.LittleEndian
	switch datatype {
	case "BOOL":
		if data[0] > 1 {
			return nil, fmt.Errorf("must be 0 or 1, found %d", data[0])
		}
		return strconv.AppendBool(to, data[0] == 1), nil
	case "UINT8":
		return strconv.AppendUint(to, uint64(data[0]), 10), nil
	case "UINT16":
		return strconv.AppendUint(to, uint64(order.Uint16(data)), 10), nil
	case "UINT32":
		return strconv.AppendUint(to, uint64(order.Uint32(data)), 10), nil
	case "UINT64":
		return strconv.AppendUint(to, order.Uint64(data), 10), nil
	case "INT8":
		return strconv.AppendInt(to, int64(int8(data[0])), 10), nil
	case "INT16":
		return strconv.AppendInt(to, int64(int16(order.Uint16(data))), 10), nil
	case "INT32":
		return strconv.AppendInt(to, int64(int32(order.Uint32(data))), 10), nil
	case "INT64":
		return strconv.AppendInt(to, int64(order.Uint64(data)), 10), nil
	case "FP16":
		return appendFloat(to, float64(half(order.Uint16(data))))
	case "BF16":
		return appendFloat(to, float64(math.Float32frombits(uint32(order.Uint16(data))<<16)))
	case "FP32":
		return appendFloat(to, float64(math.Float32frombits(order.Uint32(data))))
	}
	return appendFloat(to, math.Float64frombits(order.Uint64(data)))
}

// appendFloat appends a number with all its digits: a float64 of the API must be the number that was
// sent as FP32.
func appendFloat(to []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("must be a finite number, found %v", v)
	}
	return strconv.AppendFloat(to, v, 'g', -1, 64), nil
}

// half returns the value of an IEEE 754 number of 16 bits.
func half(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits>>15)<<31, int(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // subnormal
		value := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(value) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | uint32(exponent-15+127)<<23 | fraction<<13)
}

// fromBytes returns n elements, each after its length. encoded: the API takes base64.
func fromBytes(data []byte, n int, encoded bool) (all elements, err error) {
	for i := range n {
		if len(data) < 4 {
			return all, fmt.Errorf("element %d must begin with its length in 4 bytes, found %d bytes", i, len(data))
		}
		size := int64(binary.LittleEndian.Uint32(data))
		if data = data[4:]; size > int64(len(data)) {
			return all, fmt.Errorf("element %d must have %d bytes, as it says, found %d", i, size, len(data))
		}
		element := data[:size]
		data = data[size:]
		switch {
		case encoded:
			element = base64.StdEncoding.AppendEncode(nil, element)
		case !utf8.Valid(element):
			return all, fmt.Errorf("element %d must be UTF-8, found %.50q", i, element)
		}
		quoted, err := jsontext.AppendQuote(all.text, element)
		if err != nil {
			return all, fmt.Errorf("element %d: %w", i, err)
		}
		all.add(quoted)
	}
	if len(data) > 0 {
		return all, fmt.Errorf("must end after %d elements, found %d bytes more", n, len(data))
	}
	return all, nil
}

// JSON returns the elements of an output as a flat array.
func (o *Output) JSON() jsontext.Value {
	to := []byte("[")
	for i := range o.elements.len() {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, o.elements.at(i)...)
	}
	return append(to, ']')
}

// Raw returns the elements of an output as raw bytes.
func (o *Output) Raw() (raw []byte, err error) {
	for i := range o.elements.len() {
		if raw, err = o.appendRaw(raw, o.elements.at(i)); err != nil {
			return nil, fmt.Errorf("output %q: %w", o.Name, err)
		}
	}
	return raw, nil
}

func (o *Output) appendRaw(to []byte, element jsontext.Value) ([]byte, error) {
	order := binary.LittleEndian
	switch class(o.Datatype) {
	case "BOOL":
		if element.Kind() == 't' {
			return append(to, 1), nil
		}
		return append(to, 0), nil
	case "BYTES":
		content, err := jsontext.AppendUnquote(nil, element)
		if err == nil && o.encoded {
			content, err = base64.StdEncoding.AppendDecode(nil, content)
		}
		return append(order.AppendUint32(to, uint32(len(content))), content...), err
	case "a float type":
		bits := sizes[o.Datatype] * 8
		v, err := strconv.ParseFloat(string(element), bits)
		if bits == 32 {
			return order.AppendUint32(to, math.Float32bits(float32(v))), err
		}
		return order.AppendUint64(to, math.Float64bits(v)), err
	}
	v, err := strconv.ParseInt(string(element), 10, 64)
	if o.Datatype == "UINT64" {
		var unsigned uint64
		unsigned, err = strconv.ParseUint(string(element), 10, 64)
		v = int64(unsigned)
	}
	whole := order.AppendUint64(nil, uint64(v))
	return append(to, whole[:sizes[o.Datatype]]...), err
}
