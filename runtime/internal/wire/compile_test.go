package wire

import (
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

type badTags struct {
	A string        `json:"a" minLength:"x"`
	B int           `json:"b" minLength:"1"`
	C string        `json:"c" pattern:"("`
	D int           `json:"d" default:"x"`
	E int           `json:"e" default:"7" maximum:"5"`
	F time.Duration `json:"f" default:"5s"`
	G int8          `json:"g" enum:"1,two"`
	H float64       `json:"h" multipleOf:"0"`
	I string        `json:"i" minlength:"1" yaml:"i"`
	J []int         `json:"j" max_items:"1" maxItems:"2"`
	K float64       `json:"k" exclusiveMinimun:"0" form:"k"`
	L string        `json:"l" minLenght:"1" minLength:"3" maxLength:"2"`
	M float64       `json:"m" minimum:"3" exclusiveMaximum:"3" maximum:"3"`
	N int           `json:"n" minimum:"1.5"`
	O int8          `json:"o" minimum:"128"`
	P int8          `json:"p" enum:"-129"`
	Q [3]int        `json:"q" minItems:"1"`
	R string        `json:"r" pattern:"(?m)^a$"`
	S uint64        `json:"s" minimum:"18446744073709551616"`
	T float64       `json:"t" maximum:"NaN"`
	U []string      `json:"u" enum:"a"`
	V string        `json:"v" enum:"a, b"`
	W string        `json:"w" enum:"a,b,a"`
	X int           `json:"x" enum:"1, 2"`
	Y string        `json:"y" minLength:"-1" maxLength:"2147483648"`
	Z []int         `json:"z" minItems:"-1"`
}

type foreignTags struct {
	A string `json:"a" validate:"required"`
	B int    `json:"b" binding:"gte=1"`
	C int    `json:"c" ge:"1" le:"5"`
	D string `json:"d" required:"true" validate:"-"`
	E string `query:"e"`
	F string `json:"f" schema:"f,required" jsonschema:"minLength=1"`
	G string `header:"X-G" cookie:"g"`
	H string `path:"h" uri:"h" param:"h"`
	I []int  `json:"i" uniqueItems:"true" format:"-" nullable:"true"`
}

type validated struct{ A int }

func (*validated) Validate() error { return nil }

type validNames []string

func (validNames) Validate(context.Context) error { return nil }

type closed struct{ text string } //nolint:unused // that is the mistake

type shape interface{ Area() float64 }

const tagsHelp = "use the tags minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, enum, multipleOf; " +
	"a field is required unless it has a default, is a pointer, or is tagged omitempty or omitzero"

const validateHelp = " has a method Validate, which is not called: write the rules as struct tags such as minimum and pattern, " +
	"or rename the method and call it in the API's function"

func construct[In, Out any]() error {
	if _, err := NewInput[In](); err != nil {
		return err
	}
	_, err := NewOutput[Out]()
	return err
}

type twice struct {
	A int
	B int `json:"A"`
}

type beyond struct {
	A int8    `json:"a" minimum:"-129" maximum:"300"`
	B *uint8  `json:"b" exclusiveMinimum:"-1" exclusiveMaximum:"256"`
	C int8    `json:"c" exclusiveMinimum:"127"`
	D float32 `json:"d" minimum:"-3.4e38" maximum:"1e39"`
	E float64 `json:"e" maximum:"1e309"`
	F int     `json:"f" minimum:"-9223372036854775809"`
	G int8    `json:"g" minimum:"-128" maximum:"127"`
}

type impossible struct {
	A int      `json:"a" exclusiveMinimum:"3" exclusiveMaximum:"4"`
	B int      `json:"b" enum:"1,2" minimum:"5"`
	C string   `json:"c" enum:"xxx" maxLength:"2"`
	D string   `json:"d" enum:"a,b" pattern:"^c$"`
	E int      `json:"e" multipleOf:"10" minimum:"1" maximum:"9"`
	F float64  `json:"f" multipleOf:"10" minimum:"1" maximum:"9"`
	G float64  `json:"g" multipleOf:"0.5" minimum:"0.1" exclusiveMaximum:"0.4"`
	H *int8    `json:"h" multipleOf:"100" exclusiveMinimum:"100"`
	I float64  `json:"i" exclusiveMinimum:"0" exclusiveMaximum:"5e-324"`
	J uint64   `json:"j" multipleOf:"2" minimum:"18446744073709551615"`
	K int      `json:"k" enum:"1,3" multipleOf:"2"`
	L *string  `json:"l" enum:"" minLength:"1"`
	M float32  `json:"m" multipleOf:"1e10" exclusiveMinimum:"-1e10" exclusiveMaximum:"-1"`
	N uint8    `json:"n" multipleOf:"7" minimum:"253"`
	O []string `json:"o" minItems:"2" maxItems:"1"`
}

// possible has rules that one value obeys.
type possible struct {
	A int     `json:"a" exclusiveMinimum:"3" exclusiveMaximum:"5"`
	B int     `json:"b" enum:"1,5" minimum:"5"`
	C string  `json:"c" enum:"xxx,yy" maxLength:"2"`
	D string  `json:"d" enum:"a,c" pattern:"^c$"`
	E int     `json:"e" multipleOf:"10" minimum:"1" maximum:"10"`
	F float64 `json:"f" multipleOf:"10" exclusiveMinimum:"0" maximum:"10"`
	G float64 `json:"g" multipleOf:"0.1" minimum:"0.3" maximum:"0.3"`
	H int8    `json:"h" multipleOf:"100" maximum:"-100"`
	I float64 `json:"i" exclusiveMinimum:"0" exclusiveMaximum:"1e-323"`
	J uint64  `json:"j" multipleOf:"5" minimum:"18446744073709551615"`
	K float64 `json:"k" exclusiveMinimum:"1e300"`
	L float64 `json:"l" exclusiveMaximum:"-1e300" multipleOf:"0.1"`
	M float64 `json:"m" multipleOf:"1e-7"`
	N int     `json:"n" multipleOf:"9223372036854775807" exclusiveMinimum:"0"`
	O float64 `json:"o" multipleOf:"10" minimum:"-1e300" maximum:"-5"`
	P int64   `json:"p" multipleOf:"7" minimum:"-9223372036854775808" maximum:"-9223372036854775800"`
	Q float64 `json:"q" multipleOf:"0.3" minimum:"1e20"`
}

type below struct {
	Nested item            `json:"nested" default:"{}"`
	List   []*item         `json:"list" default:"[{}]"`
	Map    map[string]item `json:"map" default:"{\"a\":{\"name\":1}}"`
	Deep   struct {
		Inner *item `json:"Item"`
	} `json:"deep" default:"{\"Item\":{}}"`
	Any    any  `json:"any" example:"[[1e999]]"`
	Spared item `json:"spared" default:"{\"name\":\"x\"}"`
}

type privatePointer struct {
	*item
	B int
}

type (
	options1 struct {
		A bool           `json:"a,string"`
		B string         `json:"b,omitempty,string"`
		C []int          `json:"c,string"`
		D any            `json:"d,string"`
		E *time.Time     `json:"e,string"`
		F map[string]any `json:",inline"`
		G map[string]any `json:",unknown"`
		H int            `json:"h,case:ignore"`
		I int8           `json:"i,string" minimum:"1"`
		J int8           `json:"j,string" default:"128"`
		K int            `json:"k,omitzero,case:strict"`
	}
	options2 struct {
		A *bool          `json:"a,string"`
		B int            `json:"b,case:ignore"`
		C map[string]any `json:",embed"`
	}
	options3 struct {
		A time.Time `json:"a,format:RFC3339"`
	}
)

// mistakes has declarations and their errors.
var mistakes = map[string]struct {
	err  error
	want []string
}{
	"tags": {construct[badTags, int](), []string{
		`wire.badTags.A: tag minLength:"x": must be a whole number from 0 to 2147483647, found "x"`,
		`wire.badTags.B: tag minLength:"1": does not apply to int`,
		"wire.badTags.C: tag pattern:\"(\": must be a regular expression in Go's syntax: error parsing regexp: missing closing ): `(`",
		`wire.badTags.D: tag default:"x": must be JSON, found "x": jsontext: invalid character 'x' at start of value`,
		`wire.badTags.E: tag default:"7": Input should be less than or equal to 5`,
		`wire.badTags.F: tag default:"5s": must be a whole number of nanoseconds, such as 5000000000 for 5 s`,
		`wire.badTags.G: tag enum:"1,two": must hold integers, found "two"`,
		`wire.badTags.H: tag multipleOf:"0": must be greater than 0, found "0"`,
		`wire.badTags.I: tag minlength:"1": unknown key; did you mean minLength?`,
		`wire.badTags.J: tag max_items:"1": unknown key; did you mean maxItems?`,
		`wire.badTags.K: tag exclusiveMinimun:"0": unknown key; did you mean exclusiveMinimum?`,
		`wire.badTags.K: tag form:"k": is not read: a field is a member of the JSON body, named by the tag json`,
		`wire.badTags.L: tag minLenght:"1": unknown key; did you mean minLength?`,
		`wire.badTags.L: tags minLength and maxLength: nothing is between 3 and 2`,
		`wire.badTags.M: tags minimum and exclusiveMaximum: nothing is between 3 and 3`,
		`wire.badTags.N: tag minimum:"1.5": must be an integer, found "1.5"`,
		`wire.badTags.O: tag minimum:"128": must be between -128 and 127, the bounds of its type, found "128"`,
		`wire.badTags.P: tag enum:"-129": must hold integers between -128 and 127, found "-129"`,
		`wire.badTags.Q: tag minItems:"1": does not apply to an array, whose type gives the number of its items`,
		`wire.badTags.R: tag pattern:"(?m)^a$": the multi-line anchor (?m)$ cannot be written in JSON Schema, whose patterns are those of ECMA-262`,
		`wire.badTags.S: tag minimum:"18446744073709551616": must be between 0 and 18446744073709551615, the bounds of its type, found "18446744073709551616"`,
		`wire.badTags.T: tag maximum:"NaN": must be a number, found "NaN"`,
		`wire.badTags.U: tag enum:"a": does not apply to []string`,
		`wire.badTags.V: tag enum:"a, b": must have no spaces around a value, found " b"`,
		`wire.badTags.W: tag enum:"a,b,a": must have each value once, found "a" again`,
		`wire.badTags.X: tag enum:"1, 2": must have no spaces around a value, found " 2"`,
		`wire.badTags.Y: tag minLength:"-1": must be a whole number from 0 to 2147483647, found "-1"`,
		`wire.badTags.Y: tag maxLength:"2147483648": must be a whole number from 0 to 2147483647, found "2147483648"`,
		`wire.badTags.Z: tag minItems:"-1": must be a whole number from 0 to 2147483647, found "-1"`,
	}},
	"bounds beyond the type": {construct[beyond, beyond](), []string{
		`wire.beyond.A: tag minimum:"-129": must be between -128 and 127, the bounds of its type, found "-129"`,
		`wire.beyond.A: tag maximum:"300": must be between -128 and 127, the bounds of its type, found "300"`,
		`wire.beyond.B: tag exclusiveMinimum:"-1": must be between 0 and 255, the bounds of its type, found "-1"`,
		`wire.beyond.B: tag exclusiveMaximum:"256": must be between 0 and 255, the bounds of its type, found "256"`,
		`wire.beyond.C: tags exclusiveMinimum and type int8: nothing is between 127 and 127`,
		`wire.beyond.D: tag maximum:"1e39": must be between -3.4028234663852886e+38 and 3.4028234663852886e+38, the bounds of its type, found "1e39"`,
		`wire.beyond.E: tag maximum:"1e309": must be between -1.7976931348623157e+308 and 1.7976931348623157e+308, the bounds of its type, found "1e309"`,
		`wire.beyond.F: tag minimum:"-9223372036854775809": must be between -9223372036854775808 and 9223372036854775807, the bounds of its type, found "-9223372036854775809"`,
	}},
	"rules that no value obeys": {construct[impossible, impossible](), []string{
		`wire.impossible.A: tags exclusiveMinimum:"3" exclusiveMaximum:"4": no integer obeys all of them`,
		`wire.impossible.B: tag enum:"1,2": the other tags allow none of its values: Input should be greater than or equal to 5`,
		`wire.impossible.C: tag enum:"xxx": the other tags allow none of its values: String should have at most 2 characters`,
		`wire.impossible.D: tag enum:"a,b": the other tags allow none of its values: String should match pattern '^c$'`,
		`wire.impossible.E: tags multipleOf:"10" minimum:"1" maximum:"9": no integer obeys all of them`,
		`wire.impossible.F: tags multipleOf:"10" minimum:"1" maximum:"9": no number obeys all of them`,
		`wire.impossible.G: tags multipleOf:"0.5" minimum:"0.1" exclusiveMaximum:"0.4": no number obeys all of them`,
		`wire.impossible.H: tags multipleOf:"100" exclusiveMinimum:"100": no integer obeys all of them`,
		`wire.impossible.I: tags exclusiveMinimum:"0" exclusiveMaximum:"5e-324": no number obeys all of them`,
		`wire.impossible.J: tags multipleOf:"2" minimum:"18446744073709551615": no integer obeys all of them`,
		`wire.impossible.K: tag enum:"1,3": the other tags allow none of its values: Input should be a multiple of 2`,
		`wire.impossible.L: tag enum:"": the other tags allow none of its values: String should have at least 1 character`,
		`wire.impossible.M: tags multipleOf:"1e10" exclusiveMinimum:"-1e10" exclusiveMaximum:"-1": no number obeys all of them`,
		`wire.impossible.N: tags multipleOf:"7" minimum:"253": no integer obeys all of them`,
		`wire.impossible.O: tags minItems and maxItems: nothing is between 2 and 1`,
	}},
	"rules that one value obeys": {construct[possible, possible](), nil},
	"foreign tags": {construct[foreignTags, foreignTags](), []string{
		`wire.foreignTags.A: tag validate:"required": is not read: ` + tagsHelp,
		`wire.foreignTags.B: tag binding:"gte=1": is not read: ` + tagsHelp,
		`wire.foreignTags.C: tag ge:"1": is not read: use minimum`,
		`wire.foreignTags.C: tag le:"5": is not read: use maximum`,
		`wire.foreignTags.D: tag required:"true": is not read: a field is required unless it has a default, is a pointer, or is tagged omitempty or omitzero`,
		`wire.foreignTags.E: tag query:"e": is not read: ` + useJSON,
		`wire.foreignTags.F: tag schema:"f,required": is not read: ` + useJSON,
		`wire.foreignTags.F: tag jsonschema:"minLength=1": is not read: ` + tagsHelp,
		`wire.foreignTags.G: tag header:"X-G": is not read: ` + useHeader,
		`wire.foreignTags.G: tag cookie:"g": is not read: ` + useHeader,
		`wire.foreignTags.H: tag path:"h": is not read: ` + usePath,
		`wire.foreignTags.H: tag uri:"h": is not read: ` + usePath,
		`wire.foreignTags.H: tag param:"h": is not read: ` + usePath,
		`wire.foreignTags.I: tag uniqueItems:"true": is not read: check it in the API's function`,
		`wire.foreignTags.I: tag nullable:"true": is not read: make the field a pointer`,
	}},
	"foreign tags of an output": {construct[int, foreignTags](), nil},
	"Validate":                  {construct[*validated, validated](), []string{`*wire.validated:` + validateHelp}},
	"Validate below":            {construct[struct{ Names validNames }, int](), []string{`struct.Names: wire.validNames` + validateHelp}},
	"Validate of an output":     {construct[int, *validated](), nil},
	"anonymous": {construct[struct {
		A map[string]struct {
			B []struct {
				C chan int
			}
		}
		D func()
	}, int](), []string{
		`struct.A{}.B[].C: chan int cannot be read from JSON: it is a channel; use a slice`,
		`struct.D: func() cannot be read from JSON: it is a function; use the value that it returns`,
	}},
	"file": {construct[struct{ File *multipart.FileHeader }, int](), []string{
		`struct.File: multipart.FileHeader cannot be read from JSON: use runtime.File`}},
	"request":      {construct[http.Request, int](), []string{`http.Request: cannot be read from JSON: use a struct with the fields that you need`}},
	"closed":       {construct[closed, int](), []string{`wire.closed: cannot be read from JSON: it has no exported fields; begin their names with a capital letter`}},
	"interface":    {construct[shape, int](), []string{`wire.shape: cannot be read from JSON: an interface with methods does not say which type to decode into; use a struct, or any`}},
	"complex":      {construct[map[string]complex128, int](), []string{`map[string]complex128{}: complex128 cannot be read from JSON: JSON has no complex numbers; use a struct of two floats`}},
	"key":          {construct[map[float64]int, int](), []string{`map[float64]int: a map's keys must be strings or integers, found float64`}},
	"reader":       {construct[int, io.Reader](), []string{`io.Reader: cannot be written as JSON: it is a stream; use a string, or []byte, which is base64 in JSON`}},
	"open file":    {construct[int, *os.File](), []string{`*os.File: cannot be written as JSON: it is a stream; use a string, or []byte, which is base64 in JSON`}},
	"builder":      {construct[int, *strings.Builder](), []string{`*strings.Builder: cannot be written as JSON: it is a stream; use a string, or []byte, which is base64 in JSON`}},
	"handler":      {construct[int, http.Handler](), []string{`http.Handler: cannot be written as JSON: use a struct with the fields that you need`}},
	"handler func": {construct[int, http.HandlerFunc](), []string{`http.HandlerFunc: cannot be written as JSON: it is a function; use the value that it returns`}},
	"handler of another package": {construct[int, struct {
		H interface {
			http.Handler
			Close()
		}
	}](), []string{`struct.H: interface { Close(); ServeHTTP(http.ResponseWriter, *http.Request) } cannot be written as JSON: use a struct with the fields that you need`}},
	"round tripper":    {construct[int, map[string]http.RoundTripper](), []string{`map[string]http.RoundTripper{}: http.RoundTripper cannot be written as JSON: use a struct with the fields that you need`}},
	"context":          {construct[int, context.Context](), []string{`context.Context: cannot be written as JSON: use a struct with the fields that you need`}},
	"error":            {construct[int, error](), []string{`error: cannot be written as JSON: return it as the function's error, or its text as a string`}},
	"only a channel":   {construct[int, chan int](), []string{`chan int: cannot be written as JSON: it is a channel; use a slice`}},
	"only equal names": {construct[*twice, int](), []string{`*wire.twice: cannot be read from JSON: Go struct fields A and B conflict over JSON object name "A"`}},
	"defaults below": {construct[below, int](), []string{
		`wire.below.Nested: tag default:"{}": Nested.Name is required: write "name" in the tag, or give Nested.Name a default`,
		`wire.below.List: tag default:"[{}]": List[0].Name is required: write "name" in the tag, or give List[0].Name a default`,
		`wire.below.Map: tag default:"{\"a\":{\"name\":1}}": Map[a].Name: Input should be a valid string`,
		`wire.below.Deep: tag default:"{\"Item\":{}}": Deep.Inner.Name is required: write "name" in the tag, or give Deep.Inner.Name a default`,
		`wire.below.Any: tag example:"[[1e999]]": Any[0][0]: Input should be a finite number`,
	}},
	"channel": {construct[int, map[string]chan int](), []string{`map[string]chan int{}: chan int cannot be written as JSON: it is a channel; use a slice`}},
	"equal names": {construct[struct{ L []twice }, map[string]twice](), []string{
		`struct.L[]: wire.twice cannot be read from JSON: Go struct fields A and B conflict over JSON object name "A"`}},
	"equal names of an output": {construct[int, map[string]*twice](), []string{
		`map[string]*wire.twice{}: wire.twice cannot be written as JSON: Go struct fields A and B conflict over JSON object name "A"`}},
	"equal names in an embedded struct": {construct[struct{ twice }, int](), []string{
		`struct: wire.twice cannot be read from JSON: Go struct fields A and B conflict over JSON object name "A"`}},
	"private pointer": {construct[privatePointer, privatePointer](), []string{
		`wire.privatePointer.item: json cannot set a pointer to an embedded struct whose name is private: embed the struct itself, or begin its name with a capital letter`}},
	"options of json": {construct[options1, int](), []string{
		`wire.options1.A: tag json: option string is for numbers, found bool`,
		`wire.options1.B: tag json: option string is for numbers, found string`,
		`wire.options1.C: tag json: option string is for numbers, found []int`,
		`wire.options1.D: tag json: option string is for numbers, found interface {}`,
		`wire.options1.E: tag json: option string is for numbers, found time.Time`,
		`wire.options1.F: tag json: option "inline" is not read: embed the struct without a name in its tag`,
		`wire.options1.G: tag json: option "unknown" is not read: unknown members of an object are ignored; use a map for an object of any members`,
		`wire.options1.H: tag json: option "case:ignore" is not read: a member must be written as the name of its field`,
		`wire.options1.I: tag minimum:"1": does not apply to int8 in a string`,
		`wire.options1.J: tag default:"128": Input should be an integer between -128 and 127`,
	}},
	"options of json in an output": {construct[int, options2](), []string{
		`wire.options2.A: tag json: option string is for numbers, found bool`,
		`wire.options2.C: tag json: option "embed" is not read: embed the struct without a name in its tag`,
	}},
	"format":              {construct[struct{ options3 }, int](), []string{"struct: wire.options3 cannot be read from JSON: Go struct field A has unsupported `format` tag option"}},
	"format of an output": {construct[int, []options3](), []string{"[]wire.options3[]: wire.options3 cannot be written as JSON: Go struct field A has unsupported `format` tag option"}},
	"sum type":            {construct[int, shape](), nil},
	"nothing at all":      {construct[struct{}, struct{}](), nil},
}

// Each mistake in a declaration is an error that says what to do.
func TestMistakes(t *testing.T) {
	for name, test := range mistakes {
		got := ""
		if test.err != nil {
			got = test.err.Error()
		}
		if want := strings.Join(test.want, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
