package wire

import (
	"math"
	"math/big"
	"regexp"
	"testing"
)

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
