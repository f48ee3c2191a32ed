package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Numbers of four million digits take time in proportion to their digits. In
// proportion to the square each case would take the test's ten minutes.
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
	} {
		t.Run(name, func(t *testing.T) {
			var v everything
			err := mustInput[everything](t).Decode([]byte(`{"i":`+c.number+`}`), &v)
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

// The errors of a body are bounded, however many it has and however long the
// names in it are.
func TestViolationsAreBounded(t *testing.T) {
	for name, body := range map[string]string{
		"list":  `{"l":[` + strings.Repeat(`{},`, 1_000_000) + `{}]}`,
		"items": `{"d":{` + strings.Repeat(`"k":"x",`, 1_000_000) + `"k":"x"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var v everything
			var invalid *Invalid
			if err := mustInput[everything](t).Decode([]byte(body), &v); !errors.As(err, &invalid) {
				t.Fatal(err)
			}
			said, err := json.Marshal(invalid.Violations)
			if err != nil || len(said) > 20_000 {
				t.Fatalf("%d bytes: %v", len(said), err)
			}
			if n := len(invalid.Violations); name == "list" && (n != maxViolations+1 || invalid.Violations[n-1].Type != "too_many_errors") {
				t.Errorf("%d violations, of which the last is %v", n, invalid.Violations[n-1])
			}
		})
	}
}
