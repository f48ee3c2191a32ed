package tensors

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// all has each kind of column.
type all struct {
	Bool   bool          `json:"bool"`
	U16    uint16        `json:"u16"`
	I64    int64         `json:"i64"`
	F32    []float32     `json:"f32"`
	F64    [2][]float64  `json:"f64"`
	Text   []string      `json:"text"`
	Bytes  []byte        `json:"bytes"`
	Nested [][][]float32 `json:"nested"`
}

func model[In, Out any](t *testing.T) *Model {
	t.Helper()
	in := check.Value(wire.NewInput[In]())(t)
	out := check.Value(wire.NewOutput[Out]())(t)
	return check.Value(NewModel(in.Schema().Layout(), out.Schema().Layout(), ""))(t)
}

func rows[In, Out any](t *testing.T) *Model {
	t.Helper()
	in := check.Value(wire.NewItems[In]("items"))(t)
	out := check.Value(wire.NewOutput[[]Out]())(t)
	return check.Value(NewModel(in.Schema().Layout(), out.Schema().Layout(), "items"))(t)
}

func described(columns []Column) string {
	var parts []string
	for i := range columns {
		parts = append(parts, columns[i].Name+" "+columns[i].Datatype+text(columns[i].Shape()))
	}
	return strings.Join(parts, ", ")
}

// Each type has its datatype and its shape.
func TestColumns(t *testing.T) {
	const want = "bool BOOL[1], u16 UINT16[1], i64 INT64[1], f32 FP32[-1], f64 FP64[2,-1], text BYTES[-1], bytes BYTES[1], nested FP32[-1,-1,-1]"
	m := model[all, all](t)
	check.Equal(t, described(m.Inputs), want)
	check.Equal(t, described(m.Outputs), want)
	m = rows[all, [3]float32](t)
	check.Equal(t, described(m.Inputs), "bool BOOL[-1], u16 UINT16[-1], i64 INT64[-1], f32 FP32[-1,-1], f64 FP64[-1,2,-1], text BYTES[-1,-1], bytes BYTES[-1], nested FP32[-1,-1,-1,-1]")
	check.Equal(t, described(m.Outputs), "output FP32[-1,3]")
	m = model[string, []byte](t)
	check.Equal(t, described(m.Inputs)+" "+described(m.Outputs), "input BYTES[1] output BYTES[1]")
	m = rows[string, string](t)
	check.Equal(t, described(m.Inputs)+" "+described(m.Outputs), "items BYTES[-1] output BYTES[-1]")
}

// What has no fixed layout cannot be a tensor, and the error names all of it.
func TestNoModel(t *testing.T) {
	type loop struct{ Next *loop }
	in := check.Value(wire.NewInput[struct {
		Any  any            `json:"any"`
		Map  map[string]int `json:"map"`
		Fine int            `json:"fine"`
	}]())(t)
	out := check.Value(wire.NewOutput[loop]())(t)
	_, err := NewModel(in.Schema().Layout(), out.Schema().Layout(), "")
	check.Error(t, err, `its input cannot be tensors: "any" must consist of scalars, or of lists of them
"map" must consist of scalars, or of lists of them
its result cannot be tensors: "Next" must consist of scalars, or of lists of them`)
	_, err = NewModel(in.Schema().Layout(), check.Value(wire.NewOutput[*struct {
		Null    *int       `json:"null"`
		Parts   []*float64 `json:"parts"`
		Missing string     `json:"missing,omitempty"`
		There   int        `json:"there"`
	}]())(t).Schema().Layout(), "")
	check.Contains(t, err.Error(), "the result must not be a pointer", `"null" must not be a pointer`, `"parts" must not be a pointer`, `"missing" must not be a pointer, and not have omitempty`)
	if strings.Contains(err.Error(), `"there"`) {
		t.Error(err)
	}
}

func value(text string) jsontext.Value { return jsontext.Value(text) }

// Tensors become the body of the API.
func TestBody(t *testing.T) {
	m := rows[all, int](t)
	body, err := m.Body(t.Context(), []Input{
		{"text", "BYTES", []int64{2, 1}, value(`["a","é\n"]`), nil},
		{"f32", "INT8", []int64{2, 2}, nil, []byte{1, 2, 0xff, 4}},
		{"bool", "BOOL", []int64{2}, nil, []byte{0, 1}},
		{"i64", "INT64", []int64{2, 1, 1}, value(`[[[-1]],[[9223372036854775807]]]`), nil},
		{"u16", "UINT8", []int64{2}, value(`[1,2]`), nil},
		{"f64", "FP32", []int64{2, 2, 0}, value(`[]`), nil},
		{"nested", "FP16", []int64{2, 1, 1, 1}, nil, []byte{0, 0x3c, 0, 0xc0}},
		{"bytes", "BYTES", []int64{2}, nil, []byte("\x02\x00\x00\x00\xff\xfe\x00\x00\x00\x00")},
	}, 0)
	check.OK(t, err)
	check.Equal(t, string(body), `{"items":[{"text":["a"],"f32":[1,2],"bool":false,"i64":-1,"u16":1,"f64":[[],[]],"nested":[[[1]]],"bytes":"//4="},`+
		`{"text":["é\n"],"f32":[-1,4],"bool":true,"i64":9223372036854775807,"u16":2,"f64":[[],[]],"nested":[[[-2]]],"bytes":""}]}`)
	body, err = model[string, int](t).Body(t.Context(), []Input{{"input", "BYTES", []int64{1, 1}, value(`["a\"b"]`), nil}}, 0)
	check.OK(t, err)
	check.Equal(t, string(body), `a"b`)
	body, err = model[[]float32, int](t).Body(t.Context(), []Input{{"input", "FP32", []int64{1, 2}, value(`[1.5,2]`), nil}}, 0)
	check.OK(t, err)
	check.Equal(t, string(body), `[1.5,2]`)
}

// A tensor that cannot be an input is an error that says what it must be.
func TestBadInputs(t *testing.T) {
	nan := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))
	for want, input := range map[string]Input{
		`input "no": must be one of f, s, b; input "f": must be there`:                                                                                   {"no", "FP32", []int64{1}, value(`[1]`), nil},
		`input "f": datatype must be one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES, found "FP31"`: {"f", "FP31", []int64{1}, value(`[1]`), nil},
		`input "f": datatype must be a float type such as FP32, found BOOL`:                                                                              {"f", "BOOL", []int64{1}, value(`[true]`), nil},
		`input "f": shape must be [-1], where -1 is any number, found [2,2]`:                                                                             {"f", "FP32", []int64{2, 2}, value(`[1,2,3,4]`), nil},
		`input "f": shape must say how many elements there are, found [-1]`:                                                                              {"f", "FP32", []int64{-1}, value(`[]`), nil},
		`input "f": shape must have at most 2147483647 elements, found [9223372036854775807,4]`:                                                          {"f", "FP32", []int64{math.MaxInt64, 4}, value(`[]`), nil},
		`input "f": shape must have at most 65536 lists if it has no elements, found [1000000,0]`:                                                        {"f", "FP32", []int64{1000000, 0}, value(`[]`), nil},
		`input "f": data must have 3 elements, as shape says, found 2`:                                                                                   {"f", "FP32", []int64{3}, value(`[1,[2]]`), nil},
		`input "f": data must be an array, found 1`:                                                                                                      {"f", "FP32", []int64{1}, value(`1`), nil},
		`input "f": data must be an array of scalars, found an object`:                                                                                   {"f", "FP32", []int64{1}, value(`[{"a":1}]`), nil},
		`input "f": data: element 0 must be FP32, as datatype says, found "1"`:                                                                           {"f", "FP32", []int64{1}, value(`["1"]`), nil},
		`input "f": must have 8 bytes, 4 for each of 2 elements, found 7`:                                                                                {"f", "FP32", []int64{2}, nil, make([]byte, 7)},
		`input "f": element 0 must be a finite number, found NaN`:                                                                                        {"f", "FP32", []int64{1}, nil, nan},
		`input "b": element 1 must be 0 or 1, found 7; input "f": must be there`:                                                                         {"b", "BOOL", []int64{2}, nil, []byte{1, 7}},
		`input "s": element 0 must be UTF-8, found "\xff"; input "f": must be there`:                                                                     {"s", "BYTES", []int64{1}, nil, []byte("\x01\x00\x00\x00\xff")},
		`input "s": element 0 must have 4294967295 bytes, as it says, found 0; input "f": must be there`:                                                 {"s", "BYTES", []int64{1}, nil, []byte("\xff\xff\xff\xff")},
		`input "s": element 0 must begin with its length in 4 bytes, found 2 bytes; input "f": must be there`:                                            {"s", "BYTES", []int64{1}, nil, []byte("\xff\xff")},
		`input "s": must end after 1 elements, found 1 bytes more; input "f": must be there`:                                                             {"s", "BYTES", []int64{1}, nil, []byte("\x00\x00\x00\x00x")},
	} {
		m := model[struct {
			F []float32 `json:"f"`
			S string    `json:"s,omitempty"`
			B []bool    `json:"b,omitempty"`
		}, int](t)
		_, err := m.Body(t.Context(), []Input{input}, 0)
		if err == nil || strings.ReplaceAll(err.Error(), "\n", "; ") != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	one := Input{"a", "INT8", []int64{1}, value("[1]"), nil}
	m := rows[struct{ A, B int8 }, int](t)
	two, three := one, one
	one.Name, two.Name, three.Name = "A", "A", "B"
	_, err := m.Body(t.Context(), []Input{one, two, three}, 0)
	check.Error(t, err, "inputs must be at most 2 tensors, found 3")
	_, err = m.Body(t.Context(), []Input{one, two}, 0)
	check.Error(t, err, `input "A": must be there once
input "B": must be there`)
	three.Shape, three.JSON = []int64{2}, value("[1,2]")
	_, err = m.Body(t.Context(), []Input{one, three}, 0)
	check.Error(t, err, `input "B": the first number of shape must be 1, as for input "A", found 2`)
}

func every(string) bool { return true }

// A body that its API would refuse for its size is not made, and none is made for nobody.
func TestBodyLimits(t *testing.T) {
	m := rows[struct {
		Temperature int8 `json:"temperature"`
	}, int](t)
	raw := make([]byte, 100_000)
	body, err := m.Body(t.Context(), []Input{{"temperature", "INT8", []int64{100_000}, nil, raw}}, 0)
	if err != nil || len(body) < 1_500_000 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	for _, most := range []int64{1_000_000, 100_000} {
		if body, err := m.Body(t.Context(), []Input{{"temperature", "INT8", []int64{100_000}, nil, raw}}, most); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := m.Body(ended, []Input{{"temperature", "INT8", []int64{100_000}, nil, raw}}, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, err = m.Body(t.Context(), []Input{{"temperature", "INT8", make([]int64, 33), nil, nil}}, 0)
	check.Error(t, err, `input "temperature": shape must have at most 32 numbers, found 33`)
	_, err = m.Body(t.Context(), nil, 0)
	check.Error(t, err, `input "temperature": must be there`)
}

// Numbers keep all their digits, whatever the API takes.
func TestDigits(t *testing.T) {
	body, err := model[[]float64, int](t).Body(t.Context(), []Input{{"input", "FP32", []int64{2}, nil, []byte("\xa3\x79\xeb\x4c\xcd\xcc\xcc\x3d")}}, 0)
	check.OK(t, err)
	check.Equal(t, string(body), "[1.23456792e+08,0.10000000149011612]")
}

// A result becomes tensors, or an error that says why it cannot.
func TestResults(t *testing.T) {
	outputs, err := rows[int, struct {
		Label string      `json:"label"`
		Box   [][]float32 `json:"box"`
	}](t).Results([]byte(`[{"label":"a","box":[[1,2]]},{"box":[[3,4]],"label":"b"}]`), every)
	check.OK(t, err)
	var got []string
	for i := range outputs {
		got = append(got, fmt.Sprint(outputs[i].Name, text(outputs[i].Shape), outputs[i].JSON()))
	}
	check.Equal(t, strings.Join(got, ", "), `label[2]["a","b"], box[2,1,2][1,2,3,4]`)
	for body, want := range map[string]string{
		`[[1,2],[3]]`:    `output "output": lists must have one length to be a tensor, found 2 and 1`,
		`[[1,null]]`:     `output "output": must have no null to be a tensor, found null`,
		`[[1,2],[]]`:     `output "output": lists must have one length to be a tensor, found 2 and 0`,
		`[[],[],[]]`:     "<nil>",
		`[]`:             "<nil>",
		`[[1e30],[0.1]]`: "<nil>",
	} {
		if _, err := rows[int, []float32](t).Results([]byte(body), every); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v", body, err)
		}
	}
	outputs, err = model[string, string](t).Results([]byte(`a "b"`), every)
	check.OK(t, err)
	check.Equal(t, string(outputs[0].JSON()), `["a \"b\""]`)
}

// Raw bytes become JSON, and the same raw bytes again.
func TestRawRoundTrip(t *testing.T) {
	for datatype, size := range sizes {
		if datatype == "FP16" || datatype == "BF16" {
			continue // no result of Go has them
		}
		t.Run(datatype, rapid.MakeCheck(func(t *rapid.T) {
			n := rapid.IntRange(0, 20).Draw(t, "n")
			raw := rapid.SliceOfN(rapid.Byte(), n*size, n*size).Draw(t, "raw")
			if datatype == "BOOL" {
				for i := range raw {
					raw[i] &= 1
				}
			}
			elements, err := fromRaw(raw, datatype, n, false)
			if err != nil && strings.Contains(err.Error(), "finite") {
				t.Skip()
			}
			again, err2 := (&Output{Column: Column{Datatype: datatype}, elements: elements}).Raw()
			if err != nil || err2 != nil || !bytes.Equal(raw, again) {
				t.Fatalf("%x became %s and %x (%v, %v)", raw, elements.text, again, err, err2)
			}
		}))
	}
}

// Numbers of 16 bits have the values of IEEE 754.
func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 1.0 / (1 << 14), 0x0001: 1.0 / (1 << 24), 0x3555: 0.333251953125, 0x7c00: math.Inf(1), 0x8000: math.Copysign(0, -1)} {
		if got := float64(half(bits)); got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("%x: got %v, want %v", bits, got, want)
		}
	}
}

// No tensor of a client makes Body panic, and what it returns is JSON.
func FuzzBody(f *testing.F) {
	f.Add("s", "BYTES", int64(1), int64(1), []byte(`["a"]`), []byte("\x01\x00\x00\x00a"))
	f.Add("f", "FP16", int64(2), int64(-1), []byte(`[[1],[2]]`), []byte{0, 0x3c, 1, 1})
	f.Fuzz(func(t *testing.T, name, datatype string, a, b int64, data, raw []byte) {
		m := rows[struct {
			F []float32 `json:"f,omitempty"`
			S string    `json:"s,omitempty"`
			B []byte    `json:"b,omitempty"`
		}, int](t)
		for _, shape := range [][]int64{nil, {a}, {a, b}} {
			for _, input := range []Input{{name, datatype, shape, data, nil}, {name, datatype, shape, nil, raw}} {
				if body, err := m.Body(t.Context(), []Input{input}, 0); err == nil && !jsontext.Value(body).IsValid() {
					t.Errorf("%+v became %s", input, body)
				}
			}
		}
	})
}
