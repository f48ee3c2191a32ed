package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func mustItems[T any](t testing.TB) *Items[T] {
	t.Helper()
	in := check.Value(NewItems[T]("xs"))(t)
	return in
}

// shown returns the result of Decode in one string: the form, then items or errors.
func shown[T any](t *testing.T, body string) string {
	t.Helper()
	items, single, err := mustItems[T](t).Decode(t.Context(), []byte(body), Files{})
	var invalid *Invalid
	if errors.As(err, &invalid) {
		return strings.Join(ourErrors(invalid), "\n")
	}
	if err != nil {
		return err.Error()
	}
	data, _ := json.Marshal(items)
	if single {
		return "one " + string(data)
	}
	return "list " + string(data)
}

type named struct {
	Name string `json:"name"`
	Size int    `json:"size" default:"3"`
}

func TestItems(t *testing.T) {
	for _, test := range []struct {
		of         func(*testing.T, string) string
		body, want string
	}{
		{shown[string], `{"xs":["a","b"]}`, `list ["a","b"]`},
		{shown[string], `{"xs":"a"}`, `one ["a"]`},
		{shown[string], `{"xs":"\u0061"}`, `one ["a"]`},
		{shown[string], `{"y":[{}],"xs":"a","z":{"xs":[]}}`, `one ["a"]`},
		{shown[string], `{"xs":[]}`, `list []`},
		{shown[string], `{"xs":["a"],"xs":"b"}`, `one ["b"]`},
		{shown[string], `{"xs":"b","xs":["a"]}`, `list ["a"]`},
		{shown[string], `{"xs":3}`, `list_type ["xs"] Input should be a valid array`},
		{shown[string], `{"xs":{}}`, `list_type ["xs"] Input should be a valid array`},
		{shown[string], `{"xs":null}`, `list_type ["xs"] Input should be a valid array`},
		{shown[string], `{"xs":["a",3]}`, `string_type ["xs",1] Input should be a valid string`},
		{shown[string], `{}`, `missing ["xs"] Field required`},
		{shown[string], ``, `missing ["xs"] Field required`},
		{shown[string], `"a"`, `model_type [] Input should be an object`},
		{shown[string], `{"xs":"a"`, `json_invalid [] Invalid JSON: EOF while parsing an object at line 1 column 9`},
		{shown[float64], `{"xs":["1.5",2]}`, `list [1.5,2]`},
		{shown[float64], `{"xs":"1.5"}`, `one [1.5]`},
		{shown[float64], `{"xs":"x"}`, `list_type ["xs"] Input should be a valid array`},
		{shown[named], `{"xs":[{"name":"a"},{"name":"b","size":"4"}]}`, `list [{"name":"a","size":3},{"name":"b","size":4}]`},
		{shown[named], `{"xs":{"name":"a"}}`, `one [{"name":"a","size":3}]`},
		{shown[named], `{"xs":{"size":"x"}}`, "missing [\"xs\",\"name\"] Field required\nint_parsing [\"xs\",\"size\"] Input should be a valid integer, unable to parse string as an integer"},
		{shown[named], `{"xs":"a"}`, `list_type ["xs"] Input should be a valid array`},
		{shown[map[string]int], `{"xs":{"a":"x"}}`, `int_parsing ["xs","a"] Input should be a valid integer, unable to parse string as an integer`},
		{shown[*int], `{"xs":null}`, `one [null]`},
		{shown[*int], `{"xs":[null,1]}`, `list [null,1]`},
		{shown[[]int], `{"xs":[[1],[]]}`, `list [[1],[]]`},
		{shown[[]int], `{"xs":[]}`, `list []`},
		{shown[[]int], `{"xs":[-8]}`, `list_type ["xs",0] Input should be a valid array`},
		{shown[*int], `{}`, `missing ["xs"] Field required`},
		{shown[*int], ``, `missing ["xs"] Field required`},
		{shown[*int], `{"x":[1,2]}`, `missing ["xs"] Field required`},
		{shown[**named], `{}`, `missing ["xs"] Field required`},
		{shown[any], `{}`, `missing ["xs"] Field required`},
		{shown[json.RawMessage], `{}`, `missing ["xs"] Field required`},
		{shown[*[2]int], `{}`, `missing ["xs"] Field required`},
		{shown[*[2]int], `{"xs":[1,2]}`, "list_type [\"xs\",0] Input should be a valid array\nlist_type [\"xs\",1] Input should be a valid array"},
		{shown[any], `{"xs":[1,[2]]}`, `list [1,[2]]`},
		{shown[any], `{"xs":{"a":1}}`, `one [{"a":1}]`},
		{shown[any], `{"xs":[1],"xs":5}`, `one [5]`},
		{shown[json.RawMessage], `{"xs":5}`, `one [5]`},
		{shown[time.Time], `{"xs":"2024-01-02T03:04:05Z"}`, `one ["2024-01-02T03:04:05Z"]`},
		{shown[[]byte], `{"xs":"QUI="}`, `one ["QUI="]`},
		{shown[[]byte], `{"xs":["QUI="]}`, `list ["QUI="]`},
	} {
		if got := test.of(t, test.body); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.body, got, test.want)
		}
	}
}

// A valid body is decoded once, without a map of its fields or a tree.
func TestItemsAllocate(t *testing.T) {
	in := mustItems[string](t)
	for body, want := range map[string]float64{`{"xs":"a"}`: 4, `{"xs":["a"]}`: 5} {
		data := []byte(body)
		if got := testing.AllocsPerRun(100, func() { _, _, _ = in.Decode(t.Context(), data, Files{}) }); got > want {
			t.Errorf("%s: %v allocations, want %v", body, got, want)
		}
	}
}

func TestItemsName(t *testing.T) {
	for _, name := range []string{"", "-", `a"b`, "a,b", "it's"} {
		if _, err := NewItems[string](name); err == nil || !strings.Contains(err.Error(), "must be a name without") {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if _, err := NewItems[chan int]("xs"); err == nil || err.Error() != `parameter "xs".Value: chan int cannot be read from JSON: it is a channel; use a slice` {
		t.Errorf("got %v", err)
	}
}

func TestItemsSchema(t *testing.T) {
	const whole = `,"minimum":-9223372036854775808,"maximum":9223372036854775807`
	for _, test := range []struct {
		got  any
		want string
	}{
		{mustItems[string](t).Schema(), `{"title":"Input","type":"object","properties":{"xs":{"items":{"type":"string"},"type":"array","title":"Xs"}},"required":["xs"]}`},
		{mustItems[string](t).Schema().OpenAPI(), `{"title":"Input","type":"object","properties":{"xs":{"oneOf":[{"items":{"type":"string"},"type":"array"},{"type":"string"}],"title":"Xs","example":["text"]}},"required":["xs"]}`},
		{mustItems[[]int](t).Schema().OpenAPI(), `{"title":"Input","type":"object","properties":{"xs":{"items":{"items":{"type":"integer"` + whole + `},"type":"array"},"type":"array","title":"Xs","example":[[1]]}},"required":["xs"]}`},
		{mustItems[any](t).Schema().OpenAPI(), `{"title":"Input","type":"object","properties":{"xs":{"oneOf":[{"items":{},"type":"array"},{"not":{"type":"array","items":{}}}],"title":"Xs","example":[]}},"required":["xs"]}`},
		{mustItems[*bool](t).Schema(), `{"title":"Input","type":"object","properties":{"xs":{"items":{"anyOf":[{"type":"boolean"},{"type":"null"}]},"type":"array","title":"Xs"}},"required":["xs"]}`},
		{OneOrMany(output[string](t), output[[]string](t)), `{"items":{"type":"string"},"type":"array"}`},
		{OneOrMany(output[string](t), output[[]string](t)).OpenAPI(), `{"oneOf":[{"items":{"type":"string"},"type":"array"},{"type":"string"}]}`},
		{OneOrMany(output[[]bool](t), output[[][]bool](t)).OpenAPI(), `{"anyOf":[{"items":{"items":{"type":"boolean"},"type":"array"},"type":"array"},{"items":{"type":"boolean"},"type":"array"}]}`},
	} {
		got := check.Value(json.Marshal(test.got))(t)
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(test.want), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("got\n%s\nwant\n%s", got, test.want)
		}
	}
}

func output[T any](t testing.TB) *Schema {
	t.Helper()
	return mustOutput[T](t).Schema()
}
