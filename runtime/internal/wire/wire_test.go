package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

type item struct {
	Name string `json:"name"`
	Size int    `json:"size" default:"3"`
}

type everything struct {
	I  int            `json:"i" default:"0"`
	F  float64        `json:"f" default:"0"`
	B  bool           `json:"b" default:"false"`
	S  string         `json:"s" default:""`
	L  []int          `json:"l" default:"[]"`
	O  *string        `json:"o"`
	D  map[string]int `json:"d" default:"{}"`
	M  *item          `json:"m"`
	I8 int8           `json:"i8" default:"7"`
}

type constrained struct {
	A  int      `json:"a" minimum:"1" maximum:"5" default:"1"`
	X  float64  `json:"x" exclusiveMinimum:"0" exclusiveMaximum:"1" default:"0.5"`
	S  string   `json:"s" minLength:"2" maxLength:"4" pattern:"^[a-z]+$" default:"ab"`
	L  []int    `json:"l" minItems:"1" maxItems:"2" default:"[1]"`
	K  string   `json:"k" enum:"red,blue" default:"red"`
	Mu int      `json:"mu" multipleOf:"3" default:"3" doc:"the mult"`
	T  []string `json:"t,omitempty"`
}

// multiples has multiples that a float64 cannot hold.
type multiples struct {
	N int    `json:"n" multipleOf:"3"`
	U uint64 `json:"u" multipleOf:"5"`
}

type items struct {
	Items     []item    `json:"items"`
	CreatedAt time.Time `json:"created_at"`
}

func mustInput[T any](t testing.TB) *Input[T] {
	t.Helper()
	in := check.Value(NewInput[T]())(t)
	return in
}

func mustOutput[T any](t testing.TB) *Output[T] {
	t.Helper()
	out := check.Value(NewOutput[T]())(t)
	return out
}

// faults decodes body and prints its errors, one a line.
func faults[T any](t *testing.T, body string) string {
	t.Helper()
	var v T
	err := mustInput[T](t).Decode(t.Context(), []byte(body), Files{}, &v)
	var invalid *Invalid
	if err == nil || !errors.As(err, &invalid) {
		return ""
	}
	var lines []string
	for _, one := range invalid.Violations {
		loc, _ := json.Marshal(one.Loc)
		lines = append(lines, one.Type+" "+string(loc)+" "+one.Msg)
	}
	return strings.Join(lines, "\n")
}

// refused has bodies and their errors, which are those of BentoML 1.4.39.
var refused = []struct {
	of         func(*testing.T, string) string
	body, want string
}{
	{faults[everything], `{"i":3.5}`, `int_from_float ["i"] Input should be a valid integer, got a number with a fractional part`},
	{faults[everything], `{"i":null,"f":null,"b":null,"s":null,"l":null,"d":null,"o":null}`, `int_type ["i"] Input should be a valid integer
float_type ["f"] Input should be a valid number
bool_type ["b"] Input should be a valid boolean
string_type ["s"] Input should be a valid string
list_type ["l"] Input should be a valid array
dict_type ["d"] Input should be an object`},
	{faults[everything], `{"i":"abc","f":"abc","b":"abc","s":3,"l":{},"o":4,"d":[],"m":3}`, `int_parsing ["i"] Input should be a valid integer, unable to parse string as an integer
float_parsing ["f"] Input should be a valid number, unable to parse string as a number
bool_parsing ["b"] Input should be a valid boolean, unable to interpret input
string_type ["s"] Input should be a valid string
list_type ["l"] Input should be a valid array
string_type ["o"] Input should be a valid string
dict_type ["d"] Input should be an object
model_type ["m"] Input should be an object`},
	{faults[everything], `{"l":[1,"x",2.5],"d":{"a":"z"},"m":{"size":"q"}}`, `int_parsing ["l",1] Input should be a valid integer, unable to parse string as an integer
int_from_float ["l",2] Input should be a valid integer, got a number with a fractional part
int_parsing ["d","a"] Input should be a valid integer, unable to parse string as an integer
missing ["m","name"] Field required
int_parsing ["m","size"] Input should be a valid integer, unable to parse string as an integer`},
	{faults[everything], `{"b":2}`, `bool_parsing ["b"] Input should be a valid boolean, unable to interpret input`},
	{faults[everything], `{"i8":128}`, `int_parsing_size ["i8"] Input should be an integer between -128 and 127`},
	{faults[everything], `{"i":1e30}`, `int_parsing_size ["i"] Input should be an integer between -9223372036854775808 and 9223372036854775807`},
	{faults[everything], `{"i":1e999999999}`, `finite_number ["i"] Input should be a finite number`},
	{faults[everything], `{"f":1e999}`, `finite_number ["f"] Input should be a finite number`},
	{faults[everything], `[]`, `model_type [] Input should be an object`},
	{faults[everything], `null`, `model_type [] Input should be an object`},
	{faults[everything], `{"i":1} x`, `json_invalid [] Invalid JSON: trailing characters at line 1 column 9`},
	{faults[everything], `{"i":1} 12345`, `json_invalid [] Invalid JSON: trailing characters at line 1 column 9`},
	{faults[everything], "{\"i\":1}\n {\"i\":2}", `json_invalid [] Invalid JSON: trailing characters at line 2 column 2`},
	{faults[everything], `   `, `json_invalid [] Invalid JSON: EOF while parsing a value at line 1 column 3`},
	{faults[everything], `{"s":`, `json_invalid [] Invalid JSON: EOF while parsing a value at line 1 column 5`},
	{faults[everything], `plain words`, `json_invalid [] Invalid JSON: expected value at line 1 column 1`},
	{faults[everything], "{\"s\":\"\xff\"}", `json_invalid [] Invalid JSON: invalid unicode code point at line 1 column 7`},
	{faults[[]int], `[1 2]`, "json_invalid [] Invalid JSON: expected `,` or `]` at line 1 column 4"},
	{faults[[]int], `[1 , ]`, `json_invalid [] Invalid JSON: trailing comma at line 1 column 6`},
	{faults[[]int], `[1,,]`, `json_invalid [] Invalid JSON: expected value at line 1 column 4`},
	{faults[[]int], `[,]`, `json_invalid [] Invalid JSON: expected value at line 1 column 2`},
	{faults[[]int], `[1.]`, `json_invalid [] Invalid JSON: invalid number at line 1 column 4`},
	{faults[everything], "{\n\"i\": 1,\n}", `json_invalid [] Invalid JSON: trailing comma at line 3 column 1`},
	{faults[everything], `{"i":,}`, `json_invalid [] Invalid JSON: expected value at line 1 column 6`},
	{faults[everything], `{,}`, `json_invalid [] Invalid JSON: key must be a string at line 1 column 2`},
	{faults[everything], `{ 'i':1}`, `json_invalid [] Invalid JSON: key must be a string at line 1 column 3`},
	{faults[everything], `{1:1}`, `json_invalid [] Invalid JSON: key must be a string at line 1 column 2`},
	{faults[everything], `{"i" 1}`, "json_invalid [] Invalid JSON: expected `:` at line 1 column 6"},
	{faults[everything], `{"i":1 "b":2}`, "json_invalid [] Invalid JSON: expected `,` or `}` at line 1 column 8"},
	{faults[everything], `{"b":tru}`, `json_invalid [] Invalid JSON: expected ident at line 1 column 9`},
	{faults[everything], "{\"s\":\"\t\"}", `json_invalid [] Invalid JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 7`},
	{faults[everything], `{"s":"\x"}`, `json_invalid [] Invalid JSON: invalid escape at line 1 column 8`},
	{faults[constrained], `{"a":0,"x":0,"s":"a","l":[],"k":"green","mu":4}`, `greater_than_equal ["a"] Input should be greater than or equal to 1
greater_than ["x"] Input should be greater than 0
string_too_short ["s"] String should have at least 2 characters
too_short ["l"] List should have at least 1 item after validation, not 0
literal_error ["k"] Input should be 'red' or 'blue'
multiple_of ["mu"] Input should be a multiple of 3`},
	{faults[constrained], `{"a":6,"x":1,"s":"abcde","l":[1,2,3],"k":3,"mu":4}`, `less_than_equal ["a"] Input should be less than or equal to 5
less_than ["x"] Input should be less than 1
string_too_long ["s"] String should have at most 4 characters
too_long ["l"] List should have at most 2 items after validation, not 3
literal_error ["k"] Input should be 'red' or 'blue'
multiple_of ["mu"] Input should be a multiple of 3`},
	{faults[constrained], `{"s":"AB"}`, `string_pattern_mismatch ["s"] String should match pattern '^[a-z]+$'`},
	{faults[items], `{"items":[{"name":"a"},{"size":2},{"name":3}]}`, `missing ["items",1,"name"] Field required
string_type ["items",2,"name"] Input should be a valid string
missing ["created_at"] Field required`},
	{faults[struct {
		item `json:"b"`
	}], `{}`, `missing ["b"] Field required`},
	{faults[[]string], `[1]`, `string_type [0] Input should be a valid string`},
	{faults[[]string], `{}`, `list_type [] Input should be a valid list`},
	{faults[map[string]int], `[]`, `dict_type [] Input should be a valid dictionary`},
	{faults[*map[string]int], `3`, `dict_type [] Input should be a valid dictionary`},
	{faults[map[string][]int], `{"a":3,"b":["x"]}`, `list_type ["a"] Input should be a valid list
int_parsing ["b",0] Input should be a valid integer, unable to parse string as an integer`},
	{faults[[]map[string]int], `[3]`, `dict_type [0] Input should be a valid dictionary`},
	{faults[multiples], `{"n":9007199254740994,"u":18446744073709551613}`, `multiple_of ["n"] Input should be a multiple of 3
multiple_of ["u"] Input should be a multiple of 5`},
	{faults[multiples], `{"n":9007199254740993,"u":18446744073709551615}`, ``},
	{faults[multiples], `{"n":"9007199254740993","u":"18446744073709551615"}`, ``},
}

func TestViolations(t *testing.T) {
	for _, test := range refused {
		if got := test.of(t, test.body); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.body, got, test.want)
		}
	}
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := mustInput[T](t).Decode(t.Context(), []byte(body), Files{}, &v); err != nil {
		t.Fatalf("%s: %v: %s", body, err, faults[T](t, body))
	}
	return v
}

func TestDecode(t *testing.T) {
	none := everything{L: []int{}, D: map[string]int{}, I8: 7}
	with := func(change func(*everything)) everything {
		v := none
		change(&v)
		return v
	}
	for body, want := range map[string]everything{
		``:                               none,
		`{}`:                             none,
		`{"unknown":[1,{}]}`:             none,
		`{"i":"3","f":"1.5","b":"true"}`: with(func(v *everything) { v.I, v.F, v.B = 3, 1.5, true }),
		`{"i":3.0,"f":2,"b":1}`:          with(func(v *everything) { v.I, v.F, v.B = 3, 2, true }),
		`{"i":true,"f":true,"b":"yes"}`:  with(func(v *everything) { v.I, v.F, v.B = 1, 1, true }),
		`{"i":1,"i":2}`:                  with(func(v *everything) { v.I = 2 }),
		`{"i":"x","i":2}`:                with(func(v *everything) { v.I = 2 }),
		`{"i":1e2}`:                      with(func(v *everything) { v.I = 100 }),
		`{"s":"\u00e9\n"}`:               with(func(v *everything) { v.S = "é\n" }),
		`{"m":{"name":"x"}}`:             with(func(v *everything) { v.M = &item{"x", 3} }),
		`{"m":null,"o":null,"i8":-128}`:  with(func(v *everything) { v.I8 = -128 }),
		`{"l":["1",2.0],"d":{"a":"5"}}`:  with(func(v *everything) { v.L, v.D = []int{1, 2}, map[string]int{"a": 5} }),
	} {
		if got := decode[everything](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
}

// A default that is a slice or a map is new for each request, and is replaced by
// the value of a body, not merged with it.
func TestDefaultsAreNotShared(t *testing.T) {
	in := mustInput[everything](t)
	var a, b everything
	check.Must(t, errors.Join(in.Decode(t.Context(), []byte(`{}`), Files{}, &a), in.Decode(t.Context(), []byte(`{}`), Files{}, &b)))
	a.D["x"] = 1
	if len(b.D) != 0 {
		t.Error("two requests share a map")
	}
	type input struct {
		D map[string]int `json:"d" default:"{\"a\":1}"`
		M *item          `json:"m" default:"{\"name\":\"x\",\"size\":9}"`
	}
	for body, want := range map[string]input{
		`{}`:                             {map[string]int{"a": 1}, &item{"x", 9}},
		`{"d":{"b":2},"m":{"name":"y"}}`: {map[string]int{"b": 2}, &item{"y", 3}},
		`{"d":{"b":2},"m":null}`:         {map[string]int{"b": 2}, nil},
	} {
		if got := decode[input](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", body, got)
		}
	}
}

type tree struct {
	Value int    `json:"value"`
	Left  *tree  `json:"left"`
	Kids  []tree `json:"kids,omitempty"`
}

func TestRecursiveTypes(t *testing.T) {
	got := decode[tree](t, `{"value":1,"left":{"value":2},"kids":[{"value":3}]}`)
	check.Equal(t, got, (tree{1, &tree{Value: 2}, []tree{{Value: 3}}}))
	check.Equal(t, faults[tree](t, `{"value":1,"left":{"left":{"value":"x"}}}`), `missing ["left","value"] Field required
int_parsing ["left","left","value"] Input should be a valid integer, unable to parse string as an integer`)
	if _, err := json.Marshal(mustInput[tree](t).Schema()); err != nil {
		t.Error(err)
	}
}

func TestRootInputs(t *testing.T) {
	check.Equal(t, decode[string](t, `plain "words"`), `plain "words"`)
	check.Equal(t, decode[[]float64](t, `[1,"2.5"]`), []float64{1, 2.5})
	if got := decode[map[string]int](t, `{"a":1}`); got["a"] != 1 {
		t.Errorf("got %v", got)
	}
	check.Equal(t, decode[int](t, ` 7 `), 7)
	decode[struct{}](t, ``)
	for _, body := range []string{`null`, ` null `, `3`} {
		for _, got := range []string{faults[item](t, body), faults[*item](t, body), faults[**item](t, body), faults[*tree](t, body), faults[*shared](t, body)} {
			if got != "model_type [] Input should be an object" {
				t.Errorf("%s: got %q", body, got)
			}
		}
	}
	if got := decode[*tree](t, `{"value":1,"left":null}`); got.Left != nil {
		t.Errorf("got %+v", got)
	}
	if got := decode[*int](t, `null`); got != nil {
		t.Errorf("got %v", *got)
	}
	plain, err := json.Marshal(mustInput[item](t).Schema().OpenAPI())
	pointer, err2 := json.Marshal(mustInput[*item](t).Schema().OpenAPI())
	if errors.Join(err, err2) != nil || string(plain) != string(pointer) {
		t.Errorf("a pointer has the schema %s, want %s", pointer, plain)
	}
}

func TestEncode(t *testing.T) {
	type out struct {
		Text string    `json:"text"`
		Ns   []int     `json:"ns"`
		F    float64   `json:"f"`
		Fs   []float64 `json:"fs"`
		M    map[string]int
	}
	type flatOne struct {
		Text string    `json:"text"`
		Fs   []float64 `json:"fs"`
		B    bool      `json:"b"`
	}
	for _, test := range []struct{ got, want string }{
		{encode(t, "a<b>\n"), "a<b>\n"},
		{encode(t, []string(nil)), "[]"},
		{encode(t, map[string]int{"b": 1, "a": 2}), `{"a":2,"b":1}`},
		{encode(t, out{Text: "<&>", F: 2.5}), `{"text":"<&>","ns":[],"f":2.5,"fs":[],"M":{}}`},
		{encode(t, flatOne{"a", []float64{1, 2.5, -0.125, 1e21}, true}), `{"text":"a","fs":[1,2.5,-0.125,1e+21],"b":true}`},
		{encode(t, flatOne{"\"\\\n\xc3\xa9", nil, false}), `{"text":"\"\\\né","fs":[],"b":false}`},
		{encode(t, (*item)(nil)), "null"},
		{encode(t, time.Second), "1000000000"},
		{encode(t, 3), "3"},
	} {
		check.Equal(t, test.got, test.want)
	}
	if err := mustOutput[[]float64](t).Encode(&bytes.Buffer{}, []float64{math.NaN()}); err == nil {
		t.Error("NaN was written")
	}
}

func encode[T any](t *testing.T, v T) string {
	t.Helper()
	var buf bytes.Buffer
	check.Must(t, mustOutput[T](t).Encode(&buf, v))
	return buf.String()
}

// The schemas are those of BentoML for the same parameters.
func TestSchema(t *testing.T) {
	for want, schema := range map[string]*Schema{
		`{"properties":{"a":{"default":1,"maximum":5,"minimum":1,"title":"A","type":"integer"},"x":{"default":0.5,"exclusiveMaximum":1,"exclusiveMinimum":0,"title":"X","type":"number"},"s":{"default":"ab","maxLength":4,"minLength":2,"pattern":"^[a-z]+$","title":"S","type":"string"},"l":{"default":[1],"items":{"type":"integer"},"maxItems":2,"minItems":1,"title":"L","type":"array"},"k":{"default":"red","enum":["red","blue"],"title":"K","type":"string"},"mu":{"default":3,"description":"the mult","multipleOf":3,"title":"Mu","type":"integer"},"t":{"items":{"type":"string"},"title":"T","type":"array"}},"title":"Input","type":"object"}`: mustInput[constrained](t).Schema(),
		`{"properties":{"items":{"items":{"properties":{"name":{"title":"Name","type":"string"},"size":{"default":3,"title":"Size","type":"integer"}},"required":["name"],"title":"item","type":"object"},"title":"Items","type":"array"},"created_at":{"format":"date-time","title":"Created At","type":"string"}},"required":["items","created_at"],"title":"Input","type":"object"}`:                                                                                                                                                                                                                                                                       mustInput[items](t).Schema(),
		`{"items":{"type":"string"},"type":"array","root_input":true}`: mustInput[[]string](t).Schema(),
		`{"type":"string","root_input":true}`:                          mustInput[string](t).Schema(),
	} {
		data := check.Value(json.Marshal(schema))(t)
		var a, b any
		if err := errors.Join(json.Unmarshal(data, &a), json.Unmarshal([]byte(want), &b)); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("got\n%s\nwant\n%s", data, want)
		}
	}
}

// The fields of a result are required, except fields that may be absent.
func TestSchemaOfOutputs(t *testing.T) {
	type base struct {
		ID int8 `json:"id"`
	}
	type result struct {
		*base
		Name string  `json:"name"`
		Note *string `json:"note"`
		Tags []int   `json:"tags,omitempty"`
		Key  []byte  `json:"key,omitzero"`
	}
	want := `{"properties":{"name":{"title":"Name","type":"string"},"note":{"anyOf":[{"type":"string"},{"type":"null"}],"title":"Note"},` +
		`"tags":{"items":{"type":"integer"},"title":"Tags","type":"array"},` +
		`"key":{"contentEncoding":"base64","pattern":"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$","title":"Key","type":"string"},` +
		`"id":{"maximum":127,"minimum":-128,"title":"Id","type":"integer"}},"required":["name","note"],"title":"resultIODescriptor","type":"object"}`
	data, err := json.Marshal(output[result](t))
	var a, b any
	if err := errors.Join(err, json.Unmarshal(data, &a), json.Unmarshal([]byte(want), &b)); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%v: got\n%s\nwant\n%s", err, data, want)
	}
}

// Of two equal names in a map, the last value is used; the values are not merged.
func TestEqualNames(t *testing.T) {
	type pair struct {
		A int `json:"a,omitempty"`
		B int `json:"b,omitempty"`
	}
	for _, body := range []string{`{"k":{"a":1},"k":{"b":2}}`, `{"k":{"a":1},"\u006b":{"b":2}}`} {
		if got := decode[map[string]pair](t, body); !reflect.DeepEqual(got, map[string]pair{"k": {B: 2}}) {
			t.Errorf("%s: got %+v", body, got)
		}
		if got := decode[map[string]*pair](t, body); !reflect.DeepEqual(got, map[string]*pair{"k": {B: 2}}) {
			t.Errorf("%s: got %+v", body, got["k"])
		}
	}
}
