package wire

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// The three decoders agree: each body that quick accepts is accepted by thorough
// with an equal value.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"i":1,"s":"é","l":[1,2]}`, `{"i":01}`, `{"s":"\u0000"}`, "{\"s\":\"a\x01\"}", `{"f":-0.0e-5}`, `{"f":.5}`,
		`{"l":[1,]}`, `{"b":tru}`, `{"d":{"a":1,"a":2}}`, `{"i8":-129}`, `{"m":{"name":"x"}}`, `{"a":5,"x":0.25,"s":"abc","t":["x"]}`, `{"i":-0}`, `{"l":[]} `} {
		f.Add([]byte(seed))
	}
	all, tight, simple, tall := mustInput[everything](f), mustInput[constrained](f), mustInput[flatInput](f), mustInput[tree](f)
	f.Fuzz(func(t *testing.T, body []byte) {
		agree(t, all, body)
		agree(t, tight, body)
		agree(t, simple, body)
		agree(t, tall, body)
	})
}

// The scanner finds an error in each text that is not JSON, and in no other.
func FuzzSyntax(f *testing.F) {
	for _, test := range badJSON {
		f.Add([]byte(test.body))
	}
	for _, text := range append(legal, illegal...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := scanner{text: text}
		if msg := s.scan(); (msg == "") != jsontext.Value(text).IsValid(options) {
			t.Fatalf("%q: the scanner says %q", text, msg)
		}
	})
}

type flatInput struct {
	I int       `json:"i" default:"1"`
	S string    `json:"s" maxLength:"5" default:"x"`
	F float64   `json:"f" default:"0.5"`
	B bool      `json:"b" default:"true"`
	L []int     `json:"l"`
	T []string  `json:"t"`
	X []float64 `json:"x"`
}

func agree[T any](t *testing.T, in *Input[T], body []byte) {
	var quick, thorough T
	err := in.Decode(t.Context(), body, Files{}, &quick)
	if len(body) == 0 {
		return
	}
	normal, invalid := in.node.normalise(t.Context(), body, &attached{})
	if (err == nil) != (invalid == nil) {
		if err != nil && in.unmarshal(t.Context(), normal, &thorough, in.options) != nil {
			return // both refuse, thorough in unmarshal
		}
		t.Fatalf("%q: quick returns %v, thorough %v", body, err, invalid)
	}
	if err != nil {
		return
	}
	if err := in.unmarshal(t.Context(), normal, &thorough, in.options); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if !reflect.DeepEqual(quick, thorough) {
		t.Fatalf("%q: quick gives %+v, thorough %+v", body, quick, thorough)
	}
}
