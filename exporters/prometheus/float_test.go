package prometheus

import (
	"math"
	"strconv"
	"testing"
)

// The expected strings come from floatToGoString of prometheus_client 0.26.0.
func TestAppendFloat(t *testing.T) {
	for _, row := range []struct {
		v    float64
		want string
	}{
		{0, "0.0"},
		{math.Copysign(0, -1), "-0.0"},
		{1, "1.0"},
		{12, "12.0"},
		{-12, "-12.0"},
		{0.1, "0.1"},
		{0.17279999999999998, "0.17279999999999998"},
		{1.5e-4, "0.00015"},
		{1e-4, "0.0001"},
		{9.999e-5, "9.999e-05"},
		{1e-5, "1e-05"},
		{-1e-5, "-1e-05"},
		{5e-324, "5e-324"},
		{999999, "999999.0"},
		{999999.9999999999, "999999.9999999999"},
		{1e6, "1e+06"},
		{1000000.5, "1.0000005e+06"},
		{1234567, "1.234567e+06"},
		{1795401917.663633, "1.795401917663633e+09"},
		{12345678901, "1.2345678901e+10"},
		{9007199254740993, "9.007199254740992e+15"},
		{9.5e15, "9.5e+15"},
		{1e16, "1e+16"},
		{1.5e16, "1.5e+16"},
		{1e100, "1e+100"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{-1e6, "-1000000.0"},
		{-1234567.25, "-1234567.25"},
		{-9.5e15, "-9500000000000000.0"},
		{-1e16, "-1e+16"},
		{math.Inf(1), "+Inf"},
		{math.Inf(-1), "-Inf"},
		{math.NaN(), "NaN"},
	} {
		if got := string(appendFloat(nil, row.v)); got != row.want {
			t.Errorf("appendFloat(%v) = %s, want %s", row.v, got, row.want)
		}
	}
}

func TestAppendCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0.0", 7: "7.0", 999_999: "999999.0", 1_000_000: "1e+06", math.MaxUint64: "1.8446744073709552e+19"} {
		if got := string(appendCount(nil, n)); got != want {
			t.Errorf("appendCount(%d) = %s, want %s", n, got, want)
		}
	}
}

// FuzzFloat checks that every number is read back exactly.
func FuzzFloat(f *testing.F) {
	for _, v := range []float64{0, 1, -1, .1, 1e-5, 1e6, 1e16, -1e16, math.MaxFloat64, 5e-324, math.Inf(1), math.NaN()} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		v := math.Float64frombits(bits)
		text := string(appendFloat(nil, v))
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(back) != bits && !(math.IsNaN(v) && math.IsNaN(back)) {
			t.Errorf("%x: wrote %q, read %v, %v", bits, text, back, err)
		}
	})
}
