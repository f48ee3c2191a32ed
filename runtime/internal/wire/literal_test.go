package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

type literals struct {
	N json.Number            `json:"n"`
	P *json.Number           `json:"p"`
	L []json.Number          `json:"l" default:"[1.50]"`
	M map[string]json.Number `json:"m,omitempty"`
	A any                    `json:"a,omitempty"`
}

// A json.Number has all digits of its number in both directions, as in package
// encoding/json.
func TestLiterals(t *testing.T) {
	one := json.Number("1e400")
	for body, want := range map[string]literals{
		`{"n":1.50}`:   {N: "1.50", L: []json.Number{"1.50"}},
		`{"n":"-0.0"}`: {N: "-0.0", L: []json.Number{"1.50"}},
		`{"n":12345678901234567890.10,"p":1e400,"l":[],"m":{"x":7}}`: {N: "12345678901234567890.10", P: &one, L: []json.Number{}, M: map[string]json.Number{"x": "7"}},
	} {
		if got := decode[literals](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
	check.Equal(t, faults[literals](t, `{"n":"x","p":true,"l":[null,"1_0"," 1","1.",[]],"m":{"x":{}}}`), `float_parsing ["n"] Input should be a valid number, unable to parse string as a number
float_type ["p"] Input should be a valid number
float_type ["l",0] Input should be a valid number
float_parsing ["l",1] Input should be a valid number, unable to parse string as a number
float_parsing ["l",2] Input should be a valid number, unable to parse string as a number
float_parsing ["l",3] Input should be a valid number, unable to parse string as a number
float_type ["l",4] Input should be a valid number
float_type ["m","x"] Input should be a valid number`)

	out := check.Value(NewOutput[literals]())(t)
	var buf bytes.Buffer
	check.OK(t, out.Encode(&buf, literals{N: "1.50", A: []any{json.Number("12345678901234567890.10"), json.Number("")}}))
	check.Equal(t, buf.String(), `{"n":1.50,"p":null,"l":[],"a":[12345678901234567890.10,0]}`)
	if err := out.Encode(&buf, literals{N: "x"}); err == nil || !strings.HasSuffix(err.Error(), `within "/n": a json.Number must hold a JSON number, found "x"`) {
		t.Errorf("got %v", err)
	}

	schema := check.Value(json.Marshal(check.Value(NewInput[struct {
		N json.Number `json:"n"`
	}]())(t).Schema()))(t)
	check.Equal(t, string(schema), `{"type":"object","properties":{"n":{"type":"number","title":"N"}},"required":["n"],"title":"Input"}`)

	check.Equal(t, decode[json.Number](t, `1.50`), "1.50")
	check.Equal(t, faults[json.Number](t, ``), `float_type [] Input should be a valid number`)
	buf.Reset()
	check.OK(t, check.Value(NewOutput[json.Number]())(t).Encode(&buf, "1.50"))
	check.Equal(t, buf.String(), `1.50`)

	_, err := NewInput[map[json.Number]int]()
	check.Error(t, err, `map[json.Number]int: a map's keys must be strings or integers, found json.Number`)
}
