package wire

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

type timed struct {
	At    time.Time         `json:"at"`
	Until *time.Time        `json:"until"`
	All   []time.Time       `json:"all,omitempty"`
	Data  []byte            `json:"data,omitempty"`
	Key   [4]byte           `json:"key,omitzero"`
	From  netip.Addr        `json:"from,omitzero"`
	By    map[int]time.Time `json:"by,omitempty"`
	Raw   json.RawMessage   `json:"raw,omitempty"`
	Name  string            `json:"name" minLength:"2" default:"ab"`
}

// The errors of types that decode their JSON themselves are listed with all others,
// with pydantic's messages if pydantic has such a type.
func TestOwnTypesAreNamedWithTheRest(t *testing.T) {
	for body, want := range map[string]string{
		`{"at":"yesterday","until":"","all":["2024-01-02T03:04:05Z","x",7],"data":"%","key":"QUI=","from":"somewhere","by":{"x":"y"},"name":"a"}`: `datetime_parsing ["at"] Input should be a valid datetime, such as 2006-01-02T15:04:05Z
datetime_parsing ["until"] Input should be a valid datetime, such as 2006-01-02T15:04:05Z
datetime_parsing ["all",1] Input should be a valid datetime, such as 2006-01-02T15:04:05Z
datetime_type ["all",2] Input should be a valid datetime
bytes_invalid_encoding ["data"] Data should be valid base64
bytes_too_short ["key"] Data should have at least 4 bytes
value_error ["from"] Value error, ParseAddr("somewhere"): unable to parse IP
int_parsing ["by","x","[key]"] Input should be a valid integer, unable to parse string as an integer
datetime_parsing ["by","x"] Input should be a valid datetime, such as 2006-01-02T15:04:05Z
string_too_short ["name"] String should have at least 2 characters`,
		`{"at":null,"data":null,"key":"QUJDREU=","name":3}`: `datetime_type ["at"] Input should be a valid datetime
bytes_type ["data"] Input should be a valid bytes
bytes_too_long ["key"] Data should have at most 4 bytes
string_type ["name"] Input should be a valid string`,
		`{"at":true,"data":[1]}`: `datetime_type ["at"] Input should be a valid datetime
bytes_type ["data"] Input should be a valid bytes`,
		`{"at":"2024-01-02T03:04:05Z","data":3}`: `bytes_type ["data"] Input should be a valid bytes`,
		`{"at":null}`:                            `datetime_type ["at"] Input should be a valid datetime`,
	} {
		if got := faults[timed](t, body); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", body, got, want)
		}
	}
	check.Equal(t, faults[time.Time](t, `"x"`), `datetime_parsing [] Input should be a valid datetime, such as 2006-01-02T15:04:05Z`)
}

func TestOwnTypes(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	full := timed{At: at, Until: &at, All: []time.Time{at}, Data: []byte("AB"), Key: [4]byte{'A', 'B', 'C', 'D'},
		From: netip.MustParseAddr("::1"), By: map[int]time.Time{7: at}, Raw: json.RawMessage(`null`), Name: "ab"}
	long := `{"at":"2024-01-02T03:04:05Z","until":"2024-01-02T03:04:05Z","all":["2024-01-02T03:04:05Z"],"data":"QUI=","key":"QUJDRA==","from":"::1","by":{"7":"2024-01-02T03:04:05Z"},"raw":null}`
	for body, want := range map[string]timed{
		`{"at":"2024-01-02T03:04:05Z","until":null}`:     {At: at, Name: "ab"},
		`{"at":"2024-01-02T03:04:05Z","name":"\u0061b"}`: {At: at, Name: "ab"}, // by thorough
		long:                                    full,
		strings.Replace(long, `"7"`, `" 7"`, 1): full,
	} {
		if got := decode[timed](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
}

// The error for a default that its type refuses quotes the tag as written.
func TestBadDefaultIsQuotedAsWritten(t *testing.T) {
	type bad struct {
		Lang string    `json:"lang" enum:"de,en" default:"fr"`
		At   time.Time `json:"at" default:"\"x\""`
	}
	_, err := NewInput[bad]()
	check.Error(t, err, `wire.bad.Lang: tag default:"fr": Input should be 'de' or 'en'
wire.bad.At: tag default:"\"x\"": Input should be a valid datetime, such as 2006-01-02T15:04:05Z`)
}

var example = regexp.MustCompile(`,"example":(\{[^}]*\}|\[[^]]*\]|"[^"]*"|[^,}]*)`)

// A nullable type has the same schema as in pydantic.
func TestSchemaOfNull(t *testing.T) {
	type in struct {
		I *int       `json:"i" doc:"an int"`
		M *item      `json:"m"`
		L []*float64 `json:"l,omitempty"`
		N *int       `json:"n" default:"5" minimum:"1"`
		T *time.Time `json:"t"`
		A *any       `json:"a"`
	}
	want := `{"properties":{` +
		`"i":{"anyOf":[{"type":"integer"},{"type":"null"}],"title":"I","description":"an int","default":null},` +
		`"m":{"anyOf":[{"title":"item","type":"object","properties":{"name":{"type":"string","title":"Name"},"size":{"type":"integer","title":"Size","default":3}},"required":["name"]},{"type":"null"}],"default":null},` +
		`"l":{"items":{"anyOf":[{"type":"number"},{"type":"null"}]},"type":"array","title":"L"},` +
		`"n":{"anyOf":[{"type":"integer","minimum":1},{"type":"null"}],"title":"N","default":5},` +
		`"t":{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}],"title":"T","default":null},` +
		`"a":{"title":"A","default":null}},"title":"Input","type":"object"}`
	in1 := mustInput[in](t)
	bounds := strings.NewReplacer(`,"minimum":-9223372036854775808`, ``, `,"maximum":9223372036854775807`, ``)
	for _, schema := range []any{in1.Schema(), in1.Schema().OpenAPI()} {
		data := check.Value(json.Marshal(schema))(t)
		data = example.ReplaceAll([]byte(bounds.Replace(string(data))), nil) // examples and bounds have their own tests
		var a, b any
		if json.Unmarshal(data, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("got\n%s\nwant\n%s", data, want)
		}
	}
	var v in
	if err := in1.Decode(t.Context(), []byte(`{"i":null,"m":null,"l":[null],"n":null,"t":null,"a":null}`), Files{}, &v); err != nil {
		t.Error("null is refused where the schema allows it:", faults[in](t, `{"i":null,"m":null,"l":[null],"n":null,"t":null,"a":null}`))
	}
}

// The place of an error below a list has indices as integers.
func TestPlaceOfQuoted(t *testing.T) {
	type in struct {
		L []struct {
			N int `json:"n,string"`
		} `json:"l"`
	}
	check.Equal(t, faults[in](t, `{"l":[{"n":"1"},{"m":[2],"n":"1_0"},{"n":"x"}]}`), `int_parsing ["l",1,"n"] Input should be a valid integer, unable to parse string as an integer
int_parsing ["l",2,"n"] Input should be a valid integer, unable to parse string as an integer`)
}
