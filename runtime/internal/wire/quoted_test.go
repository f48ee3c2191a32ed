package wire

import (
	"math"
	"math/big"
	"reflect"
	"regexp"
	"testing"
	"time"
)

// A number in a string is checked with all other fields.
func TestQuoted(t *testing.T) {
	type input struct {
		I int8          `json:"i,string"`
		P *uint         `json:"p,string"`
		F float32       `json:"f,string" default:"1.5"`
		D time.Duration `json:"d,string,omitempty"`
		N int           `json:"n"`
	}
	two := uint(2)
	for body, want := range map[string]input{
		`{"i":"-128","n":1}`:                          {I: -128, F: 1.5, N: 1},
		`{"i":"5","p":"2","f":"1e3","d":"7","n":"3"}`: {5, &two, 1000, 7, 3},
		`{"i":"\u0035","p":null,"n":1}`:               {I: 5, F: 1.5, N: 1},
	} {
		if got := decode[input](t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
	got := faults[input](t, `{"i":"128","p":"-1","f":"1e39","d":7,"n":"x"}`)
	if want := `int_parsing_size ["i"] Input should be an integer between -128 and 127
int_parsing_size ["p"] Input should be an integer between 0 and 18446744073709551615
finite_number ["f"] Input should be a finite number
string_type ["d"] Input should be a valid string
int_parsing ["n"] Input should be a valid integer, unable to parse string as an integer`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The pattern matches exactly the integers of the type.
func TestIntegerPattern(t *testing.T) {
	ints := []*node{
		mustInput[int8](t).node, mustInput[uint8](t).node, mustInput[int16](t).node, mustInput[uint32](t).node, mustInput[int64](t).node, mustInput[uint64](t).node,
	}
	for _, n := range ints {
		re := regexp.MustCompile(integerPattern(n))
		low, _ := new(big.Int).SetString(n.low.String(), 10)
		high, _ := new(big.Int).SetString(n.high.String(), 10)
		check := func(i *big.Int) {
			if want := i.Cmp(low) >= 0 && i.Cmp(high) <= 0; re.MatchString(i.String()) != want {
				t.Errorf("%s to %s: %s: want %v", low, high, i, want)
			}
		}
		for _, from := range []*big.Int{low, high, new(big.Int), big.NewInt(math.MaxInt16)} {
			for i := int64(-1200); i < 1200; i++ {
				check(new(big.Int).Add(from, big.NewInt(i)))
			}
		}
		for scale := int64(10); scale < math.MaxInt64/10; scale *= 10 {
			check(new(big.Int).Add(high, big.NewInt(scale)))
			check(new(big.Int).Sub(high, big.NewInt(scale)))
		}
		for _, bad := range []string{"", "-", "-0", "00", "01", "+1", "1.0", " 1", "1\n"} {
			if re.MatchString(bad) {
				t.Errorf("%q matches", bad)
			}
		}
	}
}
