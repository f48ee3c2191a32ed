package wire

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// published has each kind of type and each rule, except two kinds whose schemas
// accept more than the decoder: recursive types, and types with UnmarshalText.
type published struct {
	I8    int8              `json:"i8"`
	I16   int16             `json:"i16"`
	I32   int32             `json:"i32"`
	I64   int64             `json:"i64"`
	I     int               `json:"i"`
	U8    uint8             `json:"u8"`
	U16   uint16            `json:"u16"`
	U32   uint32            `json:"u32"`
	U64   uint64            `json:"u64"`
	F32   float32           `json:"f32"`
	F64   float64           `json:"f64"`
	B     bool              `json:"b"`
	S     string            `json:"s"`
	Low   int16             `json:"low" maximum:"7"`
	High  uint64            `json:"high" exclusiveMinimum:"18446744073709551610"`
	Mult  int32             `json:"mult" multipleOf:"7" minimum:"-100"`
	Tenth float64           `json:"tenth" multipleOf:"0.1" minimum:"0" exclusiveMaximum:"1000"`
	Open  float64           `json:"open" exclusiveMinimum:"0" maximum:"0.5"`
	Len   string            `json:"len" minLength:"2" maxLength:"5"`
	Pat   string            `json:"pat" pattern:"^\\s?(?i:ab)[[:digit:]]{2,4}.\\pL$"`
	Enum  string            `json:"enum" enum:"a,b,"`
	EnumI int8              `json:"enum_i" enum:"-1,127"`
	Arr   [3]int8           `json:"arr"`
	Items []uint8           `json:"items"`
	List  []bool            `json:"list" minItems:"1" maxItems:"2"`
	Deep  [][]int16         `json:"deep"`
	Key   [4]byte           `json:"key"`
	Key5  [5]byte           `json:"key5"`
	When  time.Time         `json:"when"`
	Span  time.Duration     `json:"span"`
	Dict  map[string]int8   `json:"dict"`
	Nums  map[int8]string   `json:"nums"`
	Big   map[uint64]bool   `json:"big"`
	Ptr   *int8             `json:"ptr"`
	Opt   []*float32        `json:"opt,omitempty"`
	Def   []int             `json:"def" default:"[1]" maxItems:"3"`
	Any   any               `json:"any"`
	Nest  inner             `json:"nest"`
	Nests map[string]*inner `json:"nests"`
	Quote int16             `json:"quote,string"`
}

type inner struct {
	Name string  `json:"name" minLength:"1"`
	Rate float32 `json:"rate,omitempty" maximum:"1"`
}

// values generates values of a schema, as a fuzzer of APIs does.
func values(s map[string]any) *rapid.Generator[any] {
	number := func(key string, otherwise float64) float64 {
		n, ok := s[key].(stdjson.Number)
		if !ok {
			return otherwise
		}
		f, _ := n.Float64()
		return f
	}
	if choices, ok := s["enum"].([]any); ok {
		return rapid.SampledFrom(choices)
	}
	if some, ok := s["anyOf"].([]any); ok {
		return oneOf(some)
	}
	if some, ok := s["oneOf"].([]any); ok {
		return oneOf(some)
	}
	switch s["type"] {
	case "null":
		return rapid.Just[any](nil)
	case "boolean":
		return rapid.Bool().AsAny()
	case "integer":
		return rapid.Custom(func(t *rapid.T) any { return integerOf(t, s) })
	case "number":
		return rapid.Custom(func(t *rapid.T) any {
			low, high := number("minimum", number("exclusiveMinimum", -math.MaxFloat64)), number("maximum", number("exclusiveMaximum", math.MaxFloat64))
			if of := number("multipleOf", 0); of > 0 {
				return of * float64(rapid.Int64Range(int64(math.Ceil(low/of)), int64(math.Floor(high/of))-1).Draw(t, "multiple"))
			}
			return rapid.Float64Range(math.Nextafter(low, math.Inf(1)), high).Draw(t, "number")
		})
	case "string":
		return stringOf(s, int(number("minLength", 0)), int(number("maxLength", -1)))
	case "array":
		items, _ := s["items"].(map[string]any)
		return rapid.SliceOfN(values(items), int(number("minItems", 0)), int(number("maxItems", 5))).AsAny()
	case "object":
		return rapid.Custom(func(t *rapid.T) any { return objectOf(t, s) })
	}
	return rapid.SampledFrom([]any{nil, true, "x", 1.5, []any{}, map[string]any{"a": []any{1.0}}})
}

func oneOf(schemas []any) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		return values(rapid.SampledFrom(schemas).Draw(t, "schema").(map[string]any)).Draw(t, "value")
	})
}

func integerOf(t *rapid.T, s map[string]any) any {
	bound := func(key string) string { n, _ := s[key].(stdjson.Number); return string(n) }
	if low, err := strconv.ParseUint(bound("exclusiveMinimum"), 10, 64); err == nil {
		return rapid.Uint64Min(low+1).Draw(t, "integer")
	}
	if high, err := strconv.ParseUint(bound("maximum"), 10, 64); err == nil && high > math.MaxInt64 {
		return rapid.Uint64().Draw(t, "integer")
	}
	low, _ := strconv.ParseInt(bound("minimum"), 10, 64)
	high, _ := strconv.ParseInt(bound("maximum"), 10, 64)
	if of, err := strconv.ParseInt(bound("multipleOf"), 10, 64); err == nil {
		return of * rapid.Int64Range(low/of, high/of).Draw(t, "multiple")
	}
	return rapid.Int64Range(low, high).Draw(t, "integer")
}

func stringOf(s map[string]any, least, most int) *rapid.Generator[any] {
	if pattern, ok := s["pattern"].(string); ok {
		return rapid.StringMatching(goSyntax.Replace(pattern)).AsAny()
	}
	if s["format"] == "date-time" {
		return rapid.Custom(func(t *rapid.T) any {
			zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
			at := time.Unix(rapid.Int64Range(-62e9, 253e9).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nano"))
			return at.In(zone).Format(time.RFC3339Nano)
		})
	}
	return rapid.StringN(least, most, -1).AsAny()
}

func objectOf(t *rapid.T, s map[string]any) any {
	o := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required := fmt.Sprint(s["required"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if strings.Contains(required, name) || rapid.Bool().Draw(t, "has "+name) {
			o[name] = values(properties[name].(map[string]any)).Draw(t, name)
		}
	}
	if extra, ok := s["additionalProperties"].(map[string]any); ok {
		keys := rapid.String()
		if names, ok := s["propertyNames"].(map[string]any); ok {
			keys = rapid.StringMatching(names["pattern"].(string))
		}
		for range rapid.IntRange(0, 3).Draw(t, "size") {
			o[keys.Draw(t, "key")] = values(extra).Draw(t, "extra")
		}
	}
	return o
}

// schemaOf decodes a published schema, and compiles it.
func schemaOf(t testing.TB, s stdjson.Marshaler) (map[string]any, *jsonschema.Schema) {
	t.Helper()
	data := check.Value(s.MarshalJSON())(t)
	var schema map[string]any
	dec := stdjson.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	check.Must(t, dec.Decode(&schema))
	document := check.Value(jsonschema.UnmarshalJSON(strings.NewReader(goSyntax.Replace(string(data)))))(t)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	check.Must(t, compiler.AddResource("schema.json", document))
	compiled := check.Value(compiler.Compile("schema.json"))(t)
	return schema, compiled
}

// A value of the published schema is accepted; a result of the same type
// validates against the schema of the output.
func TestSchemaAndDecoderAgree(t *testing.T) {
	in := mustInput[published](t)
	out := mustOutput[published](t)
	schema, _ := schemaOf(t, in.Schema().OpenAPI())
	_, compiled := schemaOf(t, out.Schema().OpenAPI())
	rapid.Check(t, func(t *rapid.T) {
		body, err := stdjson.Marshal(values(schema).Draw(t, "body"))
		if err != nil {
			t.Fatal(err)
		}
		var v published
		if err := in.Decode(t.Context(), body, Files{}, &v); err != nil {
			t.Fatalf("%s: %+v", body, err.(*Invalid).Violations)
		}
		writes(t, out, compiled, v)
	})
}

// writes fails unless v is written as its schema says.
func writes[T any](t rapid.TB, out *Output[T], schema *jsonschema.Schema, v T) {
	t.Helper()
	var buf bytes.Buffer
	if err := out.Encode(&buf, v); err != nil {
		t.Fatal(err)
	}
	written, err := jsonschema.UnmarshalJSON(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(written); err != nil {
		t.Error(err)
	}
}

// The schema and the decoder refuse the same values at and beyond each bound.
func TestSchemaAndDecoderRefuseTheSame(t *testing.T) {
	in := mustInput[published](t)
	_, compiled := schemaOf(t, in.Schema().OpenAPI())
	out := mustOutput[published](t)
	_, written := schemaOf(t, out.Schema().OpenAPI())
	var base map[string]any
	data := check.Value(in.Schema().OpenAPI().MarshalJSON())(t)
	check.Must(t, stdjson.Unmarshal(data, &base))
	body := map[string]stdjson.RawMessage{"pat": []byte(`"ab123é"`), "any": []byte(`null`), "quote": []byte(`"5"`)}
	for name, p := range base["properties"].(map[string]any) {
		if example, ok := p.(map[string]any)["example"]; ok {
			body[name], _ = stdjson.Marshal(example)
		}
	}
	body["high"], body["i64"] = []byte(`18446744073709551615`), []byte(`1`)
	numbers := `0 1 -1 7 8 127 128 -128 -129 255 256 32767 32768 -32768 -32769 65535 65536 2147483647 2147483648 -2147483648 -2147483649 4294967295 4294967296 ` +
		`9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 18446744073709551610 ` +
		`1.0 -0.0 12.7e1 128.0 -1.28e2 1e2 7e-0 9223372036854775807.0 9223372036854775808.0 -9223372036854775808.0 -9223372036854775809.0 18446744073709551615.0 18446744073709551616.0 1e19 1.8e19 ` +
		`922337203685477580.70e1 -922337203685477580.8E+1 1844674407370955161500e-2 1844674407370955161550e-2 9007199254740993.5 2e20 ` +
		`0.5 0.25 0.1 999.9 1000 3.4028234e38 3.4028235e38 3.5e38 -3.5e38 1e308 "" "a" "ab" "abcde" "abcdef" "-5" "32767" "-32768" "32768" "AB12xé" " aB1234\u2028é" "ab12\né" "2024-01-02T03:04:05Z" ` +
		`"AAAAAA==" "AAAAAAA=" "AAAA" "QUJDREU=" null true [] [1] [1,2] [1,2,3] [1,2,3,4] [true,false] [true,false,true] {"a":1} {"1":"x"} {"-7":"x"} {"a":128} {"127":"x"} {"-128":"x"} {"128":"x"} {"18446744073709551615":true} {"1":true} {"-1":true} {"x":{"name":"a"}} {"x":null} {"name":""} {"name":"a","rate":2}`
	for name := range base["properties"].(map[string]any) {
		for text := range strings.FieldsSeq(strings.ReplaceAll(numbers, `" aB`, `"\u0020aB`)) {
			sent := map[string]stdjson.RawMessage{}
			for k, v := range body {
				sent[k] = v
			}
			sent[name] = []byte(text)
			tried, err := stdjson.Marshal(sent)
			if err != nil {
				t.Fatal(name, text, err)
			}
			document := check.Value(jsonschema.UnmarshalJSON(bytes.NewReader(tried)))(t)
			var v published
			refused := in.Decode(t.Context(), tried, Files{}, &v)
			if refused == nil {
				writes(t, out, written, v)
			}
			if valid := compiled.Validate(document); valid == nil && refused != nil {
				t.Errorf("%s: %s: the schema takes it, but not the decoder: %v", name, text, refused.(*Invalid).Violations)
			} else if valid != nil && refused == nil && !lenient(name, text, document.(map[string]any)[name]) {
				t.Errorf("%s: %s: the decoder takes it, but not the schema: %v", name, text, valid)
			}
		}
	}
}

// lenient reports values that the decoder converts, which no schema describes.
func lenient(name, text string, v any) bool {
	switch v.(type) {
	case string, bool:
		return name != "s"
	}
	return name == "b" || name == "tenth" || slices.Contains(strings.Fields("list nums big dict items arr opt def deep"), name) || text == "0.5"
}
