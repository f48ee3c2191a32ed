package config

import "testing"

// The results are those of Python's format() for the same number.
func TestIDFormat(t *testing.T) {
	id := []byte{0, 0, 0, 0, 0, 0xab, 0xcd, 0xef}
	for format, want := range map[string]string{
		"016x": "0000000000abcdef", "x": "abcdef", "X": "ABCDEF", "d": "11259375", "": "11259375", "0": "11259375",
		"12x": "      abcdef", "012X": "000000ABCDEF", "3x": "abcdef",
	} {
		f, err := ParseIDFormat(format)
		if got := f.Format(id); err != nil || got != want || f.String() != format {
			t.Errorf("%s: got %q, %v, prints %s; want %q", format, got, err, f, want)
		}
	}
	for _, format := range []string{"3s", "1000x", "-3x", "x3", "032xx", "\n"} {
		if _, err := ParseIDFormat(format); err == nil {
			t.Errorf("%q was accepted", format)
		}
	}
}
