package wire

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

type part struct {
	Name string `json:"name" minLength:"6"`
	Size int8   `json:"size" minimum:"100"`
	Note string `json:"note,omitempty"`
	Tint string `json:"tint,omitempty" example:"ochre"`
}

// strict has each constraint, and only required fields.
type strict struct {
	Least     int                `json:"least" minimum:"7"`
	Most      float64            `json:"most" maximum:"-3"`
	Between   float64            `json:"between" exclusiveMinimum:"0" exclusiveMaximum:"1"`
	Narrow    float64            `json:"narrow" exclusiveMinimum:"0.1" exclusiveMaximum:"0.2"`
	Above     int                `json:"above" exclusiveMinimum:"4"`
	Below     int                `json:"below" exclusiveMaximum:"-4"`
	Byte      uint8              `json:"byte" minimum:"2" maximum:"2"`
	Multiple  int                `json:"multiple" multipleOf:"3" minimum:"10" exclusiveMaximum:"13"`
	Tenths    float64            `json:"tenths" multipleOf:"0.1" exclusiveMinimum:"0.7"`
	Long      string             `json:"long" minLength:"12"`
	Short     string             `json:"short" maxLength:"2"`
	Exact     string             `json:"exact" minLength:"5" maxLength:"5"`
	Choice    string             `json:"choice" enum:"red,blue"`
	LongEnum  string             `json:"long_enum" enum:"a,bb,ccc" minLength:"2"`
	Digit     int                `json:"digit" enum:"3,5" minimum:"4"`
	Shape     string             `json:"shape" pattern:"^[A-Z]{2}[0-9]{3}$" example:"AB123"`
	Text      string             `json:"text" pattern:"^[a-z]+$"`
	Items     []float64          `json:"items" minItems:"3"`
	None      []int              `json:"none" maxItems:"0"`
	Parts     []part             `json:"parts" minItems:"2"`
	Part      part               `json:"part"`
	Point     [2]float64         `json:"point"`
	Key       [4]byte            `json:"key"`
	Blob      []byte             `json:"blob"`
	Weights   map[string]float64 `json:"weights"`
	When      time.Time          `json:"when"`
	Day       time.Time          `json:"day" example:"2024-02-29T00:00:00Z"`
	Yes       bool               `json:"yes"`
	Level     *int               `json:"level" minimum:"5"`
	Preferred int                `json:"preferred" default:"8" example:"9"`
	Given     float64            `json:"given" minimum:"0" example:"0.25"`
}

const filled = `{"least":7,"most":-5,"between":0.5,"narrow":0.15,"above":5,"below":-5,"byte":2,"multiple":12,"tenths":0.8,` +
	`"long":"text text text","short":"te","exact":"text ","choice":"red","long_enum":"bb","digit":5,"shape":"AB123","text":"text",` +
	`"items":[1.5,1.5,1.5],"none":[],"parts":[{"name":"text text","size":100,"tint":"ochre"},{"name":"text text","size":100,"tint":"ochre"}],` +
	`"part":{"name":"text text","size":100,"tint":"ochre"},"point":[1.5,1.5],"key":"AAAAAA==","blob":"","weights":{"key":1.5},"when":"2006-01-02T15:04:05Z",` +
	`"day":"2024-02-29T00:00:00Z","yes":true,"level":5,"preferred":8,"given":0.25}`

// parameters returns the defaults and examples in the OpenAPI schema of T.
func parameters[T any](t *testing.T) map[string]any {
	t.Helper()
	data := check.Value(mustInput[T](t).Schema().OpenAPI().MarshalJSON())(t)
	var schema struct {
		Properties map[string]map[string]any `json:"properties"`
	}
	check.Must(t, json.Unmarshal(data, &schema))
	values := map[string]any{}
	for name, p := range schema.Properties {
		if v, ok := p["default"]; ok && v != nil {
			values[name] = v
		} else if v, ok := p["example"]; ok {
			values[name] = v
		}
	}
	return values
}

func TestExamplesObeyEveryRule(t *testing.T) {
	got := parameters[strict](t)
	var want map[string]any
	check.Must(t, json.Unmarshal([]byte(filled), &want))
	for name := range mustInput[strict](t).node.byName {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s: got %v, want %v", name, got[name], want[name])
		}
	}
	body := check.Value(json.Marshal(got))(t)
	if wrong := faults[strict](t, string(body)); wrong != "" {
		t.Errorf("%s is refused:\n%s", body, wrong)
	}
}

// If no valid example is known, a parameter has none.
func TestNoExample(t *testing.T) {
	type needy struct {
		Name string `json:"name" pattern:"^x"`
	}
	type impossible struct {
		Shape   string            `json:"shape" pattern:"^[A-Z]{2}$"`
		Long    string            `json:"long" minLength:"1000000"`
		Many    []int             `json:"many" minItems:"1000000"`
		Needy   needy             `json:"needy"`
		Needies []needy           `json:"needies" minItems:"1"`
		Own     json.RawMessage   `json:"own"`
		Any     any               `json:"any"`
		Some    []needy           `json:"some"`
		Map     map[string]needy  `json:"map"`
		Tree    map[string]*needy `json:"tree" example:"{\"a\":{\"name\":\"xy\"}}"`
	}
	want := map[string]any{"some": []any{}, "map": map[string]any{}, "tree": map[string]any{"a": map[string]any{"name": "xy"}}}
	check.Equal(t, parameters[impossible](t), want)
	if got := parameters[tree](t); got["value"] != 1.0 || !reflect.DeepEqual(got["kids"], []any{}) {
		t.Errorf("a recursive type: %v", got)
	}
}

// JSON Schema has examples, OpenAPI has example; a whole body has one too.
func TestExamplesInSchemas(t *testing.T) {
	type given struct {
		A string `json:"a" example:"b"`
	}
	in := mustInput[given](t).Schema()
	for want, schema := range map[string]json.Marshaler{
		`{"title":"Input","type":"object","properties":{"a":{"type":"string","title":"A","examples":["b"]}},"required":["a"]}`: in,
		`{"title":"Input","type":"object","properties":{"a":{"type":"string","title":"A","example":"b"}},"required":["a"]}`:    in.OpenAPI(),
		`{"items":{"type":"number"},"type":"array","example":[1.5]}`:                                                           mustInput[[]float64](t).Schema().OpenAPI(),
	} {
		got := check.Value(schema.MarshalJSON())(t)
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestBadExamples(t *testing.T) {
	type bad struct {
		A int       `json:"a" minimum:"5" example:"3"`
		B []int     `json:"b" example:"x"`
		C string    `json:"c" enum:"x,y" example:"z"`
		D time.Time `json:"d" example:"2024-02-29T00:00:00Z"`
	}
	_, err := NewInput[bad]()
	want := `wire.bad.A: tag example:"3": Input should be greater than or equal to 5
wire.bad.B: tag example:"x": must be JSON, found "x": `
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), `wire.bad.C: tag example:"z": Input should be 'x' or 'y'`) {
		t.Errorf("got %v", err)
	}
}

// Examples and choices of integers work up to the bounds of their types.
func TestExamplesAtTheEnds(t *testing.T) {
	type ends struct {
		Highest uint64 `json:"highest" minimum:"18446744073709551615"`
		High    int64  `json:"high" minimum:"9223372036854775807"`
		Low     int64  `json:"low" maximum:"-9223372036854775808"`
		Choice  uint64 `json:"choice" enum:"18446744073709551615"`
	}
	data := check.Value(mustInput[ends](t).Schema().OpenAPI().MarshalJSON())(t)
	var schema struct {
		Properties map[string]struct {
			Example json.RawMessage `json:"example"`
		} `json:"properties"`
	}
	check.Must(t, json.Unmarshal(data, &schema))
	examples := map[string]json.RawMessage{}
	for name, p := range schema.Properties {
		examples[name] = p.Example
	}
	body := check.Value(json.Marshal(examples))(t)
	if want := `{"choice":18446744073709551615,"high":9223372036854775807,"highest":18446744073709551615,"low":-9223372036854775808}`; string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	if wrong := faults[ends](t, string(body)); wrong != "" {
		t.Errorf("%s is refused:\n%s", body, wrong)
	}
}

// The keys of an example are valid, too.
func TestExamplesOfMapsAndPointers(t *testing.T) {
	type maps struct {
		Text    map[string]int     `json:"text"`
		Whole   map[int8]string    `json:"whole"`
		Address map[netip.Addr]int `json:"address"`
	}
	want := map[string]any{"text": map[string]any{"key": 1.0}, "whole": map[string]any{"1": "text"}, "address": map[string]any{}}
	got := parameters[maps](t)
	check.Equal(t, got, want)
	body := check.Value(json.Marshal(got))(t)
	if wrong := faults[maps](t, string(body)); wrong != "" {
		t.Errorf("%s is refused:\n%s", body, wrong)
	}
	if got := parameters[*maps](t); !reflect.DeepEqual(got, want) {
		t.Errorf("a pointer: got %v, want %v", got, want)
	}
}
