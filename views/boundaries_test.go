package views

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// recorded lists the boundaries on /metrics of BentoML 1.4.39 with min 0.1, max 10,
// factor 1.2. Repeated multiplication gives them, powers do not.
var recorded = []float64{0.1, 0.12, 0.144, 0.17279999999999998, 0.20735999999999996, 0.24883199999999994,
	0.29859839999999993, 0.3583180799999999, 0.4299816959999999, 0.5159780351999999, 0.6191736422399998,
	0.7430083706879997, 0.8916100448255997, 1.0699320537907195, 1.2839184645488635, 1.5407021574586361,
	1.8488425889503632, 2.2186111067404357, 2.662333328088523, 3.1947999937062272, 3.8337599924474723,
	4.600511990936966, 5.5206143891243595, 6.624737266949231, 7.949684720339077, 9.539621664406893, 10}

func TestExponential(t *testing.T) {
	for _, test := range []struct {
		min, max, factor float64
		want             []float64
	}{
		{0.1, 10, 1.2, recorded},
		{1, 10, 2, []float64{1, 2, 4, 8, 10}},
		{1, 8, 2, []float64{1, 2, 4, 8}},
		{5, 6, 100, []float64{5, 6}},
	} {
		got, err := Exponential(test.min, test.max, test.factor)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("Exponential(%v, %v, %v) = %v, %v\nwant %v", test.min, test.max, test.factor, got, err, test.want)
		}
	}
}

func TestExponentialRefuses(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, test := range []struct {
		min, max, factor float64
		want             string
	}{
		{0, 1, 2, "min: must be greater than 0, found 0"},
		{-1, 1, 2, "min: must be greater than 0, found -1"},
		{2, 1, 2, "min: must be less than max (1), found 2"},
		{2, 2, 2, "min: must be less than max (2), found 2"},
		{1, 2, 1, "factor: must be greater than 1, found 1"},
		{1, 2, 0.5, "factor: must be greater than 1, found 0.5"},
		{3, 2, 1, "min: must be less than max (2), found 3\nfactor: must be greater than 1, found 1"},
		{nan, 2, 2, "min: must be a finite number, found NaN"},
		{1, inf, 2, "max: must be a finite number, found +Inf"},
		{1, 2, inf, "factor: must be a finite number, found +Inf"},
		{0.001, 1000, 1.05, "factor: makes more than 100 boundaries between 0.001 and 1000, found 1.05; 1.15 would fit"},
		{1, 2, math.Nextafter(1, 2), "factor: makes more than 100 boundaries between 1 and 2, found 1.0000000000000002; 1.008 would fit"},
	} {
		_, err := Exponential(test.min, test.max, test.factor)
		if err == nil || err.Error() != test.want {
			t.Errorf("Exponential(%v, %v, %v): got error\n%v\nwant\n%s", test.min, test.max, test.factor, err, test.want)
		}
	}
}

func TestMostBoundaries(t *testing.T) {
	// 99 powers of 2 below 2^99, and 2^99 itself.
	if got, err := Exponential(1, math.Pow(2, 99), 2); err != nil || len(got) != MaxBoundaries {
		t.Errorf("got %d boundaries, %v; want %d", len(got), err, MaxBoundaries)
	}
	if _, err := Exponential(1, math.Pow(2, 99)*1.5, 2); err == nil {
		t.Error("101 boundaries were accepted")
	}
}

func TestCheckBoundaries(t *testing.T) {
	inf := math.Inf(1)
	for _, test := range []struct {
		in   []float64
		want []float64
		err  string
	}{
		{in: []float64{0.1, 1, 10}, want: []float64{0.1, 1, 10}},
		{in: []float64{0.1, 1, inf}, want: []float64{0.1, 1}},
		{in: []float64{0, 1}, want: []float64{0, 1}},
		{in: nil, err: "must hold at least one finite boundary, found none; leave the key out for the default"},
		{in: []float64{inf}, err: "must hold at least one finite boundary, found none; leave the key out for the default"},
		{in: []float64{1, inf, inf}, err: "[1]: must be finite (one +Inf may end the list), found +Inf"},
		{in: []float64{math.NaN()}, err: "[0]: must be a number, found NaN"},
		{in: []float64{-1, 1}, err: "[0]: must not be negative, found -1"},
		{in: []float64{1, 1}, err: "[1]: must differ from the boundary before it, found 1 twice"},
		{in: []float64{2, 1, 1}, err: "[1]: must be greater than the boundary before it (2), found 1\n[2]: must differ from the boundary before it, found 1 twice"},
		{in: make([]float64, 101), err: "must hold at most 100 boundaries, found 101"},
	} {
		got, err := CheckBoundaries(test.in)
		if text := errText(err); text != test.err || !slices.Equal(got, test.want) {
			t.Errorf("CheckBoundaries(%v) = %v, %q\nwant %v, %q", test.in, got, text, test.want, test.err)
		}
	}
}

func TestWithObjectives(t *testing.T) {
	got, err := WithObjectives([]float64{0.1, 0.5, 1}, []float64{1, 0.3})
	if want := []float64{0.1, 0.3, 0.5, 1}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := WithObjectives(nil, []float64{bad}); err == nil || !strings.HasPrefix(err.Error(), "[0]: must ") {
			t.Errorf("slo %v: got error %v", bad, err)
		}
	}
	full, _ := Exponential(1, math.Pow(2, 99), 2)
	if _, err := WithObjectives(full, []float64{3}); err == nil || err.Error() != "makes 101 boundaries together with the 100 of duration; at most 100 are allowed" {
		t.Errorf("got error %v", err)
	}
}

func TestBatchSizeBoundaries(t *testing.T) {
	for max, want := range map[int][]float64{
		0: {1}, 1: {1}, 2: {1, 2}, 32: {1, 2, 4, 8, 16, 32}, 100: {1, 2, 4, 8, 16, 32, 64, 100},
	} {
		if got := BatchSizeBoundaries(max); !slices.Equal(got, want) {
			t.Errorf("BatchSizeBoundaries(%d) = %v, want %v", max, got, want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An accepted list increases, ends with max and is bounded. A refused one has an
// error that names the reason.
func FuzzExponential(f *testing.F) {
	f.Add(0.1, 10.0, 1.2)
	f.Add(0.001, 1000.0, 1.05)
	f.Add(1.0, 1.0000000001, 1.0000000000000002)
	f.Add(5e-324, math.MaxFloat64, 1.5)
	f.Add(1e-300, 1e300, 1e200)
	f.Fuzz(func(t *testing.T, min, max, factor float64) {
		bounds, err := Exponential(min, max, factor)
		if err != nil {
			if !strings.Contains(err.Error(), ": must ") && !strings.Contains(err.Error(), "would fit") {
				t.Errorf("an error that helps nobody: %v", err)
			}
			return
		}
		if _, err := CheckBoundaries(bounds); err != nil {
			t.Errorf("Exponential(%v, %v, %v) = %v: %v", min, max, factor, bounds, err)
		}
		if bounds[0] != min || bounds[len(bounds)-1] != max {
			t.Errorf("Exponential(%v, %v, %v) runs from %v to %v", min, max, factor, bounds[0], bounds[len(bounds)-1])
		}
	})
}

// For too many boundaries, BentoML makes 100 and appends max.
func TestTruncate(t *testing.T) {
	d := Duration{Min: new(0.001), Max: new(1000.0), Factor: new(1.05), Truncate: true}
	got, err := d.Boundaries()
	if err != nil || len(got) != 101 || got[99] != 0.1252392931869563 || got[100] != 1000 {
		t.Errorf("got %d boundaries, …, %v, %v", len(got), got[len(got)-2:], err)
	}
	d.Factor = new(2.0)
	if got, err := d.Boundaries(); err != nil || len(got) != 21 {
		t.Errorf("got %d boundaries, %v", len(got), err)
	}
}
