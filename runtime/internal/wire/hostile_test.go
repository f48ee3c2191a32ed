package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// Numbers of four million digits take linear time. With quadratic time, each case
// would take longer than the ten minutes of a test.
func TestLongNumbers(t *testing.T) {
	const million = 1_000_000
	nines, zeros := strings.Repeat("9", 4*million), strings.Repeat("0", 4*million)
	for name, c := range map[string]struct{ number, want string }{
		"digits":            {nines, "int_parsing_size"},
		"negative":          {"-" + nines, "int_parsing_size"},
		"string":            {`"` + nines + `"`, "int_parsing_size"},
		"nearly two":        {"1." + nines, ""},
		"fraction":          {"1.5" + nines, "int_from_float"},
		"too small":         {"0." + zeros + "1", ""},
		"whole":             {"7." + zeros, ""},
		"whole with a sign": {"-7." + zeros, ""},
		"zeros in front":    {`"` + zeros + `7"`, ""},
		"zero":              {"0." + zeros, ""},
		"exponent":          {"7." + zeros + "e1", ""},
		"underscores":       {`"` + strings.Repeat("1_", 2*million) + `1"`, "int_parsing_size"},
		"zeros behind":      {`"7.` + zeros + `"`, ""},
		"not a number":      {`"` + nines + `x"`, "int_parsing"},
		"shifted up":        {"0." + zeros[:9_990] + "1e10009", ""},
		"too far up":        {"0." + zeros[:99_980] + "1e99999999999", "int_parsing_size"},
		"long and large":    {"9007199254740993." + zeros, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var v everything
			err := mustInput[everything](t).Decode(t.Context(), []byte(`{"i":`+c.number+`}`), Files{}, &v)
			var invalid *Invalid
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &invalid) || invalid.Violations[0].Type != c.want):
				t.Errorf("got %.200v, want %s", err, c.want)
			}
		})
	}
}

// The errors of a body are bounded in number and in size.
func TestViolationsAreBounded(t *testing.T) {
	type input struct {
		L []int            `json:"l" default:"[]"`
		D map[string]int   `json:"d" default:"{}"`
		T *tree            `json:"t"`
		A any              `json:"a" default:"null"`
		N map[int]string   `json:"n" default:"{}"`
		P netip.Addr       `json:"p,omitzero"`
		X map[string]*tree `json:"x" default:"{}"`
	}
	long := strings.Repeat("<é", 30_000)
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprintf(`"%d%s":"x"`, i, long))
	}
	for name, test := range map[string]struct {
		body  string
		count int // with the note that there are more
	}{
		"list":                         {`{"l":[` + strings.Repeat(`{},`, 100_000) + `{}]}`, 101},
		"one name":                     {`{"d":{` + strings.Repeat(`"k":"x",`, 100_000) + `"k":"x"}}`, 101},
		"long names":                   {`{"d":{` + strings.Join(keys, ",") + `}}`, 22},
		"long names that are integers": {`{"n":{` + strings.Join(keys, ",") + `}}`, 22},
		"deep":                         {`{"t":` + strings.Repeat(`{"left":`, 9000) + `{}` + strings.Repeat(`}`, 9000) + `}`, 101},
		"deep any":                     {`{"a":` + strings.Repeat(`{"`+long[:100]+`":`, 9000) + `1e999` + strings.Repeat(`}`, 9000) + `}`, 1},
		"long value":                   {`{"p":"` + long + `"}`, 1},
		"long name of a branch":        {`{"x":{"` + long + `":{"kids":[` + strings.Repeat(`{},`, 200) + `{}]}}}`, 22},
	} {
		var v input
		var invalid *Invalid
		if err := mustInput[input](t).Decode(t.Context(), []byte(test.body), Files{}, &v); !errors.As(err, &invalid) {
			t.Fatalf("%s: %v", name, err)
		}
		said, err := json.Marshal(map[string]any{"error": invalid.Error(), "detail": invalid.Violations})
		if n := len(invalid.Violations); err != nil || len(said) > 64<<10 || n != test.count || invalid.Violations[0].Type == "too_many_errors" {
			t.Errorf("%s: %d bytes, %d violations: %v", name, len(said), n, err)
		}
		last := invalid.Violations[len(invalid.Violations)-1]
		if note := fmt.Sprintf("Only the first %d errors are listed", len(invalid.Violations)-1); test.count > 1 && (last.Type != "too_many_errors" || last.Msg != note) {
			t.Errorf("%s: the last is %v", name, last)
		}
	}
}

func TestNotJSON(t *testing.T) {
	for body, want := range map[string]bool{`%PDF-1.7`: true, `{"i":}`: true, `{"i":"x"}`: false, `[]`: false} {
		var v everything
		var invalid *Invalid
		if err := mustInput[everything](t).Decode(t.Context(), []byte(body), Files{}, &v); !errors.As(err, &invalid) || invalid.NotJSON() != want {
			t.Errorf("%s: got %v", body, invalid)
		}
	}
}

// A string is a number for Go as it is for pydantic, whose grammar these expressions
// are.
func TestNumbersInStrings(t *testing.T) {
	wholeString := regexp.MustCompile(`^[+-]?[0-9]+(?:_[0-9]+)*(?:\.0+)?$`)
	floatString := regexp.MustCompile(`^[+-]?(?:(?i:inf|infinity|nan)|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)$`)
	compare := func(s string) {
		if _, got := wholeText(s); got != wholeString.MatchString(s) {
			t.Errorf("%q: a whole number: %t", s, got)
		}
		if got := isFloatText(s); got != floatString.MatchString(s) {
			t.Errorf("%q: a number: %t", s, got)
		}
	}
	for _, s := range []string{"Inf", "+iNFinity", "-nan", "NaN", "infin", "0x1", "0x1p-2", "0b1", "0o7", "1e999", "-1e-999", "1e99999999999999999999", "٣", "1\x00", "--1", "+-1"} {
		compare(s)
	}
	const characters = "01_.+-ex"
	for length := 0; length <= 6; length++ {
		for n := range int(math.Pow(float64(len(characters)), float64(length))) {
			s := make([]byte, length)
			for i := range s {
				s[i], n = characters[n%len(characters)], n/len(characters)
			}
			compare(string(s))
		}
	}
}

// A pattern reads a long string once: the quick check leaves it to the thorough one.
func TestLongStringsWithPattern(t *testing.T) {
	type input struct {
		S string `json:"s" pattern:"^a+$"`
	}
	in := mustInput[input](t)
	for _, c := range []struct {
		length int
		end    string
		quick  bool
		valid  bool
	}{
		{longText, "", true, true}, {longText, "b", false, false}, {longText + 1, "", false, true}, {longText + 1, "b", false, false},
	} {
		body, v := []byte(`{"s":"`+strings.Repeat("a", c.length-len(c.end))+c.end+`"}`), input{}
		if quick := in.quick(t.Context(), body, &v); quick != c.quick {
			t.Errorf("%d bytes, %q: quick: %t", c.length, c.end, quick)
		}
		if err := in.Decode(t.Context(), body, Files{}, &v); (err == nil) != c.valid || c.valid && len(v.S) != c.length {
			t.Errorf("%d bytes, %q: %v", c.length, c.end, err)
		}
	}
}
