// Package tensors translates between tensors, as the Open Inference Protocol has them, and the
// JSON of an API. It knows neither HTTP nor gRPC.
package tensors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Input is a tensor of a request. Its elements are JSON, nested or flat, or raw bytes.
type Input struct {
	Name     string
	Datatype string
	Shape    []int64
	JSON     jsontext.Value // nil: Raw has the elements
	Raw      []byte         // little endian, one after the other; each of BYTES after its length in four bytes
}

// Output is a tensor of a response.
type Output struct {
	Column

	Shape    []int64
	elements elements
}

// elements are JSON scalars in row-major order, one after the other: a slice for each would take
// ten times the memory of a small number.
type elements struct {
	text []byte
	ends []int
}

func (e *elements) len() int { return len(e.ends) }

// at returns element i.
func (e *elements) at(i int) jsontext.Value {
	begin := 0
	if i > 0 {
		begin = e.ends[i-1]
	}
	return e.text[begin:e.ends[i]:e.ends[i]]
}

// add adds an element. text is what append returned for e.text.
func (e *elements) add(text []byte) {
	e.text = text
	e.ends = append(e.ends, len(text))
}

// ErrTooLarge says that a body would exceed its limit.
var ErrTooLarge = errors.New("the body is too large")

// Datatypes are the types of elements, as the protocol names them.
var Datatypes = []string{"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES"}

// datatypes are the types for the scalars of Go.
var datatypes = map[string]string{
	"bool": "BOOL", "string": "BYTES", "bytes": "BYTES", "float32": "FP32", "float64": "FP64",
	"int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}

// class names the datatypes that can stand for each other: an API checks the range of a number.
func class(datatype string) string {
	switch {
	case strings.HasPrefix(datatype, "INT"), strings.HasPrefix(datatype, "UINT"):
		return "an integer type"
	case strings.HasPrefix(datatype, "FP"), datatype == "BF16":
		return "a float type"
	}
	return datatype
}

// checkType returns an error if elements of a datatype cannot be those of a column. Integers can
// be floats.
func (c *Column) checkType(datatype string) error {
	want, found := class(c.Datatype), class(datatype)
	switch {
	case !slices.Contains(Datatypes, datatype):
		return fmt.Errorf("datatype must be one of %s, found %q", strings.Join(Datatypes, ", "), datatype[:min(len(datatype), 50)])
	case want == found, want == "a float type" && found == "an integer type":
		return nil
	case want == c.Datatype:
		return fmt.Errorf("datatype must be %s, found %s", want, datatype)
	}
	return fmt.Errorf("datatype must be %s such as %s, found %s", want, c.Datatype, datatype)
}

// mostLists bounds the lists of a tensor without elements, which take memory although the request
// is short.
const mostLists = 1 << 16

// count returns how many elements a shape has.
func count(shape []int64) (int, error) {
	total, lists := int64(1), int64(1)
	for _, n := range shape {
		switch {
		case n < 0:
			return 0, fmt.Errorf("shape must say how many elements there are, found %s", text(shape))
		case n > 0 && lists > math.MaxInt32/n:
			return 0, fmt.Errorf("shape must have at most %d elements, found %s", math.MaxInt32, text(shape))
		}
		total, lists = total*n, lists*max(n, 1)
	}
	if total == 0 && lists > mostLists {
		return 0, fmt.Errorf("shape must have at most %d lists if it has no elements, found %s", mostLists, text(shape))
	}
	return int(total), nil
}

// text returns a shape as [2,3].
func text(shape []int64) string {
	var list []string
	for _, n := range shape {
		list = append(list, strconv.FormatInt(n, 10))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// fit returns a shape without surplus dimensions of 1, or an error if it is not that of c: of rows
// the last ones are surplus, as in [rows,1], and else the first ones.
func (c *Column) fit(shape []int64, rows bool) ([]int64, error) {
	fitting := shape
	for len(fitting) > len(c.dims) && rows && fitting[len(fitting)-1] == 1 {
		fitting = fitting[:len(fitting)-1]
	}
	for len(fitting) > len(c.dims) && !rows && fitting[0] == 1 {
		fitting = fitting[1:]
	}
	if !slices.EqualFunc(fitting, c.dims, func(found, want int64) bool { return want < 0 || found == want }) {
		return nil, fmt.Errorf("shape must be %s, where -1 is any number, found %s", text(c.Shape()), text(shape))
	}
	return fitting, nil
}
